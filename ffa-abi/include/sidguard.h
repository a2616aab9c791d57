/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Requests to the iommu service, put into x3 to x7 of FFA_MSG_SEND_DIRECT_REQ, and its answers, read from there. For clients in
 * C, the kernel's among them: nothing here allocates, waits or calls. What each operation means stands in docs/protocol.md.
 *
 * The golden vectors in ../vectors.txt hold for these functions and for the service's own code alike.
 */
#ifndef SIDGUARD_H
#define SIDGUARD_H

#include "sidguard_abi.h"

/* The service's UUID, 6f1d9d7e-3c0a-4b52-9d6e-8a3f51c2e7b4, as FFA_PARTITION_INFO_GET takes it in w1 to w4. */
#define SIDGUARD_HOST_UUID { 0x7e9d1d6f, 0x524b0a3c, 0x3f8a6e9d, 0xb4e7c251 }

/* x3 to x7. */
struct sidguard_registers {
	uint64_t x[5];
};

/* A domain's kind and a device's state, x4 of DOMAIN_ALLOC and x5 of DEVICE_SET_STATE. */
#define SIDGUARD_KIND_PAGING 1
#define SIDGUARD_STATE_BLOCKED 0
#define SIDGUARD_STATE_PAGING 1
#define SIDGUARD_STATE_IDENTITY 2

/* Whose a page is, x7 of OWN and its like. */
#define SIDGUARD_OWNER_HOST UINT64_C(0)
#define SIDGUARD_OWNER_HYP UINT64_C(1)
#define SIDGUARD_OWNER_GUEST(number) (UINT64_C(2) | (uint64_t)(uint16_t)(number) << 16)
#define SIDGUARD_OWNER_POOL UINT64_C(3)

/* Returns a request: the operation, its 16-bit field, its handle, and x4 to x7. */
static inline struct sidguard_registers sidguard_request(uint16_t operation, uint16_t field, uint32_t handle, uint64_t x4,
							 uint64_t x5, uint64_t x6, uint64_t x7)
{
	struct sidguard_registers request = {
		{ operation | (uint64_t)field << 16 | (uint64_t)handle << 32, x4, x5, x6, x7 }
	};

	return request;
}

static inline struct sidguard_registers sidguard_version(uint16_t major, uint16_t minor)
{
	return sidguard_request(SIDGUARD_OPERATION_VERSION, 0, 0, (uint64_t)major << 16 | minor, 0, 0, 0);
}

static inline struct sidguard_registers sidguard_features(void)
{
	return sidguard_request(SIDGUARD_OPERATION_FEATURES, 0, 0, 0, 0, 0, 0);
}

static inline struct sidguard_registers sidguard_policy_digest(void)
{
	return sidguard_request(SIDGUARD_OPERATION_POLICY_DIGEST, 0, 0, 0, 0, 0, 0);
}

static inline struct sidguard_registers sidguard_device_describe(uint64_t index)
{
	return sidguard_request(SIDGUARD_OPERATION_DEVICE_DESCRIBE, 0, 0, index, 0, 0, 0);
}

static inline struct sidguard_registers sidguard_claim(void)
{
	return sidguard_request(SIDGUARD_OPERATION_CLAIM, 0, 0, 0, 0, 0, 0);
}

/* What a client found of a device, or what the policy says of it. */
struct sidguard_device {
	uint32_t first_sid;
	uint16_t smmu;
	uint16_t sids;
	/* Padded with zeros; all zeros for none. Not a string: no zero follows sixteen letters. */
	uint8_t name[16];
};

static inline uint64_t sidguard_letters(const uint8_t *letters)
{
	uint64_t word = 0;
	int i;

	for (i = 7; i >= 0; i--)
		word = word << 8 | letters[i];
	return word;
}

static inline struct sidguard_registers sidguard_register(const struct sidguard_device *found)
{
	return sidguard_request(SIDGUARD_OPERATION_REGISTER, 0, 0,
				found->first_sid | (uint64_t)found->smmu << 32 | (uint64_t)found->sids << 48, 0,
				sidguard_letters(found->name), sidguard_letters(found->name + 8));
}

static inline struct sidguard_registers sidguard_domain_alloc(uint16_t smmu, uint64_t kind)
{
	return sidguard_request(SIDGUARD_OPERATION_DOMAIN_ALLOC, smmu, 0, kind, 0, 0, 0);
}

static inline struct sidguard_registers sidguard_domain_free(uint32_t domain)
{
	return sidguard_request(SIDGUARD_OPERATION_DOMAIN_FREE, 0, domain, 0, 0, 0, 0);
}

static inline struct sidguard_registers sidguard_device_set_state(uint16_t smmu, uint32_t sid, uint64_t state,
								  uint32_t domain)
{
	return sidguard_request(SIDGUARD_OPERATION_DEVICE_SET_STATE, smmu, domain, sid, state, 0, 0);
}

static inline struct sidguard_registers sidguard_nested_set(uint16_t smmu, uint32_t sid, uint32_t domain,
							    uint64_t context)
{
	return sidguard_request(SIDGUARD_OPERATION_NESTED_SET, smmu, domain, sid, context, 0, 0);
}

static inline struct sidguard_registers sidguard_nested_invalidate(uint16_t smmu, uint32_t sid, uint64_t first,
								   uint64_t second)
{
	return sidguard_request(SIDGUARD_OPERATION_NESTED_INVALIDATE, smmu, 0, sid, first, second, 0);
}

static inline struct sidguard_registers sidguard_map(uint32_t domain, uint64_t iova, uint64_t pa, uint64_t size,
						     uint64_t protection)
{
	return sidguard_request(SIDGUARD_OPERATION_MAP, 0, domain, iova, pa, size, protection);
}

static inline struct sidguard_registers sidguard_unmap(uint32_t domain, uint64_t iova, uint64_t size)
{
	return sidguard_request(SIDGUARD_OPERATION_UNMAP, 0, domain, iova, size, 0, 0);
}

static inline struct sidguard_registers sidguard_iova_to_pa(uint32_t domain, uint64_t iova)
{
	return sidguard_request(SIDGUARD_OPERATION_IOVA_TO_PA, 0, domain, iova, 0, 0, 0);
}

static inline struct sidguard_registers sidguard_fault_poll(void)
{
	return sidguard_request(SIDGUARD_OPERATION_FAULT_POLL, 0, 0, 0, 0, 0, 0);
}

/* memory is the handle that FFA_MEM_SHARE gave. */
static inline struct sidguard_registers sidguard_area_open(uint64_t memory)
{
	return sidguard_request(SIDGUARD_OPERATION_AREA_OPEN, 0, 0, memory, 0, 0, 0);
}

static inline struct sidguard_registers sidguard_area_close(uint32_t area)
{
	return sidguard_request(SIDGUARD_OPERATION_AREA_CLOSE, 0, area, 0, 0, 0, 0);
}

static inline struct sidguard_registers sidguard_doorbell(uint32_t area, uint16_t first, uint16_t slots)
{
	return sidguard_request(SIDGUARD_OPERATION_DOORBELL, 0, area, first | (uint64_t)slots << 16, 0, 0, 0);
}

/* The first `bytes` bytes of page `page` of the area hold the request, in postcard's format. */
static inline struct sidguard_registers sidguard_call(uint32_t area, uint16_t page, uint16_t bytes)
{
	return sidguard_request(SIDGUARD_OPERATION_CALL, 0, area, page | (uint64_t)bytes << 16, 0, 0, 0);
}

static inline struct sidguard_registers sidguard_smmu_status(uint16_t smmu)
{
	return sidguard_request(SIDGUARD_OPERATION_SMMU_STATUS, smmu, 0, 0, 0, 0, 0);
}

/* `hint` is one of enum sidguard_power_hint. */
static inline struct sidguard_registers sidguard_smmu_check(uint16_t smmu, uint8_t hint)
{
	return sidguard_request(SIDGUARD_OPERATION_SMMU_CHECK, smmu, 0, hint, 0, 0, 0);
}

/* The hypervisor's key, x4 and x5 of each of its messages and of CLAIM's answer. */
struct sidguard_key {
	uint64_t words[2];
};

static inline struct sidguard_registers sidguard_statistics(struct sidguard_key key)
{
	return sidguard_request(SIDGUARD_HYP_OPERATION_STATISTICS, 0, 0, key.words[0], key.words[1], 0, 0);
}

/* OWN, DISOWN, SHARE and UNSHARE. */
static inline struct sidguard_registers sidguard_move(uint16_t operation, struct sidguard_key key, uint64_t first,
						      uint16_t pages, uint64_t owner)
{
	return sidguard_request(operation, pages, 0, key.words[0], key.words[1], first, owner);
}

static inline struct sidguard_registers sidguard_page_state(struct sidguard_key key, uint64_t address)
{
	return sidguard_request(SIDGUARD_HYP_OPERATION_PAGE_STATE, 0, 0, key.words[0], key.words[1], address, 0);
}

static inline struct sidguard_registers sidguard_hyp_fault_poll(struct sidguard_key key)
{
	return sidguard_request(SIDGUARD_HYP_OPERATION_FAULT_POLL, 0, 0, key.words[0], key.words[1], 0, 0);
}

/* `on` is 1 to put the device into quarantine, 0 to take it out. */
static inline struct sidguard_registers sidguard_quarantine(struct sidguard_key key, uint16_t smmu, uint32_t sid, uint8_t on)
{
	return sidguard_request(SIDGUARD_HYP_OPERATION_QUARANTINE, smmu, 0, key.words[0], key.words[1], sid, on);
}

static inline struct sidguard_registers sidguard_hyp_smmu_status(struct sidguard_key key, uint16_t smmu)
{
	return sidguard_request(SIDGUARD_HYP_OPERATION_SMMU_STATUS, smmu, 0, key.words[0], key.words[1], 0, 0);
}

static inline struct sidguard_registers sidguard_hyp_smmu_check(struct sidguard_key key, uint16_t smmu, uint8_t hint)
{
	return sidguard_request(SIDGUARD_HYP_OPERATION_SMMU_CHECK, smmu, 0, key.words[0], key.words[1], hint, 0);
}

/* `memory` is what FFA_MEM_LEND gave, `holder` one of SIDGUARD_POOL_HOLDER_*. */
static inline struct sidguard_registers sidguard_pool_lend(struct sidguard_key key, uint64_t memory, uint8_t holder)
{
	return sidguard_request(SIDGUARD_HYP_OPERATION_POOL_LEND, 0, 0, key.words[0], key.words[1], memory, holder);
}

static inline struct sidguard_registers sidguard_pool_reclaim(struct sidguard_key key, uint64_t memory)
{
	return sidguard_request(SIDGUARD_HYP_OPERATION_POOL_RECLAIM, 0, 0, key.words[0], key.words[1], memory, 0);
}

static inline struct sidguard_registers sidguard_pool_status(struct sidguard_key key, uint8_t holder)
{
	return sidguard_request(SIDGUARD_HYP_OPERATION_POOL_STATUS, 0, 0, key.words[0], key.words[1], holder, 0);
}

/* What is asked for a guest's domain, or for a device in it: the 16-bit field, the handle, x6 and x7 as protocol.md says. */
static inline struct sidguard_registers sidguard_guest(uint16_t operation, struct sidguard_key key, uint16_t field,
						       uint32_t domain, uint64_t x6, uint64_t x7)
{
	return sidguard_request(operation, field, domain, key.words[0], key.words[1], x6, x7);
}

/* Returns an answer's status. A value that is none of enum sidguard_status is a newer service's. */
static inline uint64_t sidguard_status_of(const struct sidguard_registers *answer)
{
	return answer->x[0];
}

/* Reads the answer to DEVICE_DESCRIBE. */
static inline struct sidguard_device sidguard_device_of(const struct sidguard_registers *answer)
{
	struct sidguard_device device = {
		.first_sid = (uint32_t)answer->x[1],
		.smmu = (uint16_t)(answer->x[1] >> 32),
		.sids = (uint16_t)(answer->x[1] >> 48),
	};
	int i;

	for (i = 0; i < 16; i++)
		device.name[i] = (uint8_t)(answer->x[3 + i / 8] >> (i % 8 * 8));
	return device;
}

/* The answer to FEATURES. */
struct sidguard_limits {
	uint8_t guard_level;
	/* SIDGUARD_FEATURES_*. */
	uint64_t features;
	uint16_t entries_per_call;
	uint16_t domains;
	uint16_t faults;
	uint16_t pages_per_move;
	uint64_t page_sizes;
	uint8_t iova_bits;
	uint16_t guests;
};

static inline struct sidguard_limits sidguard_limits_of(const struct sidguard_registers *answer)
{
	struct sidguard_limits limits = {
		.guard_level = (uint8_t)answer->x[1],
		.features = answer->x[1] & ~UINT64_C(0xff),
		.entries_per_call = (uint16_t)answer->x[2],
		.domains = (uint16_t)(answer->x[2] >> 16),
		.faults = (uint16_t)(answer->x[2] >> 32),
		.pages_per_move = (uint16_t)(answer->x[2] >> 48),
		.page_sizes = answer->x[3],
		.iova_bits = (uint8_t)answer->x[4],
		.guests = (uint16_t)(answer->x[4] >> 16),
	};

	return limits;
}

/* The answer to FAULT_POLL. */
struct sidguard_fault {
	uint64_t iova;
	/* Reports that were lost since the last poll. */
	uint64_t dropped;
	uint32_t sid;
	uint16_t smmu;
	/* SIDGUARD_FAULT_KIND_*, 0 where only `dropped` has something to tell. */
	uint8_t kind;
	/* The SMMU's own number. */
	uint8_t event;
	uint8_t write;
};

static inline struct sidguard_fault sidguard_fault_of(const struct sidguard_registers *answer)
{
	struct sidguard_fault fault = {
		.iova = answer->x[2],
		.dropped = answer->x[4],
		.sid = (uint32_t)answer->x[1],
		.smmu = (uint16_t)(answer->x[1] >> 32),
		.kind = (uint8_t)(answer->x[1] >> 48),
		.event = (uint8_t)(answer->x[1] >> 56),
		.write = (uint8_t)(answer->x[3] & 1),
	};

	return fault;
}

/* The answer to SMMU_STATUS. */
struct sidguard_smmu_report {
	/* SIDGUARD_SMMU_STATE_*. */
	uint8_t state;
	uint32_t errors;
	/* SIDGUARD_SMMU_REGISTERS_*. */
	uint32_t differed;
	uint32_t rebuilt;
	uint32_t skipped;
	uint32_t tampered;
	uint32_t lost;
};

static inline struct sidguard_smmu_report sidguard_smmu_report_of(const struct sidguard_registers *answer)
{
	struct sidguard_smmu_report report = {
		.state = (uint8_t)answer->x[1],
		.errors = (uint32_t)(answer->x[1] >> 32),
		.differed = (uint32_t)answer->x[2],
		.rebuilt = (uint32_t)answer->x[3],
		.skipped = (uint32_t)(answer->x[3] >> 32),
		.tampered = (uint32_t)answer->x[4],
		.lost = (uint32_t)(answer->x[4] >> 32),
	};

	return report;
}

/* The answer to POOL_STATUS, in pages. */
struct sidguard_pool_report {
	/* The share of the carve-out. */
	uint32_t limit;
	uint32_t used;
	/* What was lent. */
	uint32_t lent;
	uint32_t lent_used;
	/* Times that a page was refused. */
	uint32_t refused;
};

static inline struct sidguard_pool_report sidguard_pool_report_of(const struct sidguard_registers *answer)
{
	struct sidguard_pool_report report = {
		.limit = (uint32_t)answer->x[1],
		.used = (uint32_t)(answer->x[1] >> 32),
		.lent = (uint32_t)answer->x[2],
		.lent_used = (uint32_t)(answer->x[2] >> 32),
		.refused = (uint32_t)answer->x[3],
	};

	return report;
}

#endif /* SIDGUARD_H */
