/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Prints a vector for each request that sidguard.h can make; or reads the answer whose name and registers are its arguments, and
 * fails where it is not what is expected.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sidguard.h"

static const struct sidguard_key key = { { 0x0123456789abcdef, 0xfedcba9876543210 } };
static const struct sidguard_device device = {
	.first_sid = 0x12345,
	.smmu = 2,
	.sids = 0x102,
	.name = { 's', 'i', 'x', 't', 'e', 'e', 'n', '-', 'l', 'e', 't', 't', 'e', 'r', 's', '!' },
};
/* Slot 7, third use. */
static const uint32_t domain = 3 << 12 | 7;

static void print(const char *name, struct sidguard_registers request)
{
	printf("%s", name);
	for (int i = 0; i < 5; i++)
		printf(" %llx", (unsigned long long)request.x[i]);
	printf("\n");
}

static void requests(void)
{
	const uint64_t iova = 0x1234567000, pa = 0x10089abc000, size = 0x100002000, first = 0x10040000000;

	print("VERSION", sidguard_version(0x1234, 0x5678));
	print("FEATURES", sidguard_features());
	print("POLICY_DIGEST", sidguard_policy_digest());
	print("DEVICE_DESCRIBE", sidguard_device_describe(0x100000005));
	print("CLAIM", sidguard_claim());
	print("REGISTER", sidguard_register(&device));
	print("DOMAIN_ALLOC", sidguard_domain_alloc(0x102, SIDGUARD_KIND_PAGING));
	print("DOMAIN_FREE", sidguard_domain_free(domain));
	print("DEVICE_SET_STATE.blocked", sidguard_device_set_state(1, 0x12345, SIDGUARD_STATE_BLOCKED, 0));
	print("DEVICE_SET_STATE.paging", sidguard_device_set_state(1, 0x12345, SIDGUARD_STATE_PAGING, domain));
	print("DEVICE_SET_STATE.identity", sidguard_device_set_state(1, 0x12345, SIDGUARD_STATE_IDENTITY, 0));
	print("NESTED_SET", sidguard_nested_set(1, 0x12345, domain, iova + 0x40));
	print("NESTED_SET.identity", sidguard_nested_set(1, 0x12345, 0, iova + 0x40));
	print("NESTED_INVALIDATE", sidguard_nested_invalidate(1, 0x12345, 0x5000000000011, iova + 1));
	print("MAP", sidguard_map(domain, iova, pa, size, SIDGUARD_PROTECTION_READ | SIDGUARD_PROTECTION_WRITE));
	print("UNMAP", sidguard_unmap(domain, iova, size));
	print("IOVA_TO_PA", sidguard_iova_to_pa(domain, iova + 0x89));
	print("FAULT_POLL", sidguard_fault_poll());
	print("AREA_OPEN", sidguard_area_open(0x2000000000000005));
	print("AREA_CLOSE", sidguard_area_close(domain));
	print("DOORBELL", sidguard_doorbell(domain, 0x102, 0x200));
	print("CALL", sidguard_call(domain, 0x102, 0x10));
	print("SMMU_STATUS", sidguard_smmu_status(0x102));
	print("SMMU_CHECK", sidguard_smmu_check(0x102, SIDGUARD_POWER_HINT_RETURNED));
	print("hyp.FAULT_POLL", sidguard_hyp_fault_poll(key));
	print("QUARANTINE", sidguard_quarantine(key, 0x102, 0x12345, 1));
	print("hyp.SMMU_STATUS", sidguard_hyp_smmu_status(key, 0x102));
	print("hyp.SMMU_CHECK", sidguard_hyp_smmu_check(key, 0x102, SIDGUARD_POWER_HINT_GOES));
	print("POOL_LEND", sidguard_pool_lend(key, 0x2000000000000005, SIDGUARD_POOL_HOLDER_GUESTS));
	print("POOL_RECLAIM", sidguard_pool_reclaim(key, 0x2000000000000005));
	print("POOL_STATUS", sidguard_pool_status(key, SIDGUARD_POOL_HOLDER_HYP));
	print("STATISTICS", sidguard_statistics(key));
	print("OWN", sidguard_move(SIDGUARD_HYP_OPERATION_OWN, key, first, 0x200, SIDGUARD_OWNER_HYP));
	print("DISOWN", sidguard_move(SIDGUARD_HYP_OPERATION_DISOWN, key, first, 0x200, SIDGUARD_OWNER_GUEST(0)));
	print("SHARE", sidguard_move(SIDGUARD_HYP_OPERATION_SHARE, key, first, 0x200, SIDGUARD_OWNER_GUEST(0x1234)));
	print("UNSHARE", sidguard_move(SIDGUARD_HYP_OPERATION_UNSHARE, key, first, 0x200, SIDGUARD_OWNER_GUEST(0xffff)));
	print("PAGE_STATE", sidguard_page_state(key, first));
	print("GUEST_DOMAIN_ALLOC", sidguard_guest(SIDGUARD_HYP_OPERATION_GUEST_DOMAIN_ALLOC, key, 0x102, 0,
						   SIDGUARD_OWNER_GUEST(0x1234), 0));
	print("GUEST_DOMAIN_FREE", sidguard_guest(SIDGUARD_HYP_OPERATION_GUEST_DOMAIN_FREE, key, 0, domain, 0, 0));
	print("GUEST_MAP", sidguard_guest(SIDGUARD_HYP_OPERATION_GUEST_MAP, key, 0x200, domain,
					  iova | SIDGUARD_PROTECTION_READ | SIDGUARD_PROTECTION_WRITE, pa));
	print("GUEST_UNMAP", sidguard_guest(SIDGUARD_HYP_OPERATION_GUEST_UNMAP, key, 0x200, domain, iova, 0));
	print("GUEST_IOVA_TO_PA", sidguard_guest(SIDGUARD_HYP_OPERATION_GUEST_IOVA_TO_PA, key, 0, domain, iova + 0x89, 0));
	print("DEVICE_ASSIGN", sidguard_guest(SIDGUARD_HYP_OPERATION_DEVICE_ASSIGN, key, 0x102, domain, 0x12345, 0));
	print("DEVICE_RETURN", sidguard_guest(SIDGUARD_HYP_OPERATION_DEVICE_RETURN, key, 0x102, 0, 0x12345, 0));
}

#define EXPECT(condition)                                                                  \
	do {                                                                               \
		if (!(condition)) {                                                        \
			fprintf(stderr, "line %d: not " #condition "\n", __LINE__);        \
			exit(1);                                                           \
		}                                                                          \
	} while (0)

static void answer(const char *name, const struct sidguard_registers *given)
{
	uint64_t status = sidguard_status_of(given);

	if (strcmp(name, "answer.status") == 0) {
		EXPECT(status == SIDGUARD_STATUS_SATURATED);
	} else if (strcmp(name, "answer.DEVICE_DESCRIBE") == 0) {
		struct sidguard_device found = sidguard_device_of(given);

		EXPECT(status == SIDGUARD_STATUS_OK);
		EXPECT(found.first_sid == device.first_sid && found.smmu == device.smmu && found.sids == device.sids);
		EXPECT(memcmp(found.name, device.name, sizeof(found.name)) == 0);
	} else if (strcmp(name, "answer.REGISTER.differs") == 0) {
		EXPECT(status == SIDGUARD_STATUS_DIFFERS);
		EXPECT(given->x[1] == (SIDGUARD_DIFFERENCE_SMMU | SIDGUARD_DIFFERENCE_COUNT | SIDGUARD_DIFFERENCE_NAME));
	} else if (strcmp(name, "answer.FEATURES") == 0) {
		struct sidguard_limits limits = sidguard_limits_of(given);

		EXPECT(status == SIDGUARD_STATUS_OK && limits.guard_level == SIDGUARD_GUARD_LEVEL_BUS_FILTER);
		EXPECT(limits.features == (SIDGUARD_FEATURES_RANGE_INVALIDATION | SIDGUARD_FEATURES_HYP_REQUIRED |
					   SIDGUARD_FEATURES_HYP_CLAIMED));
		EXPECT(limits.entries_per_call == 0x201 && limits.domains == 0x80 && limits.faults == 0x43);
		EXPECT(limits.pages_per_move == 0x204 && limits.guests == 0x1005 && limits.iova_bits == 48);
		EXPECT(limits.page_sizes == 0x40201000);
	} else if (strcmp(name, "answer.FAULT_POLL") == 0) {
		struct sidguard_fault fault = sidguard_fault_of(given);

		EXPECT(status == SIDGUARD_STATUS_OK && fault.kind == SIDGUARD_FAULT_KIND_PERMISSION);
		EXPECT(fault.smmu == 0x102 && fault.sid == 0x89abcdef && fault.iova == 0x1234567089);
		EXPECT(fault.write == 1 && fault.event == 0x13 && fault.dropped == 0x100000003);
	} else if (strcmp(name, "answer.PAGE_STATE") == 0) {
		EXPECT(given->x[1] == SIDGUARD_OWNER_GUEST(0x1234));
		EXPECT((given->x[2] & 1) == 1 && given->x[2] >> 32 == 0x80000001);
	} else if (strcmp(name, "answer.SMMU_STATUS") == 0) {
		struct sidguard_smmu_report report = sidguard_smmu_report_of(given);

		EXPECT(status == SIDGUARD_STATUS_OK && report.state == SIDGUARD_SMMU_STATE_DIFFERED);
		EXPECT(report.errors == 0x81 && report.rebuilt == 0x80000001 && report.skipped == 0x80000002);
		EXPECT(report.differed == (SIDGUARD_SMMU_REGISTERS_CR0 | SIDGUARD_SMMU_REGISTERS_EVENTQ_IRQ_CFG0));
		EXPECT(report.tampered == 0x80000003 && report.lost == 0x80000004);
	} else if (strcmp(name, "answer.POOL_STATUS") == 0) {
		struct sidguard_pool_report report = sidguard_pool_report_of(given);

		EXPECT(status == SIDGUARD_STATUS_OK && report.limit == 0x101 && report.used == 0x80000002);
		EXPECT(report.lent == 0x1003 && report.lent_used == 0x80000004 && report.refused == 0x80000005);
	} else {
		fprintf(stderr, "%s is not known here\n", name);
		exit(1);
	}
}

int main(int count, char **arguments)
{
	struct sidguard_registers given;

	if (count == 2 && strcmp(arguments[1], "requests") == 0) {
		requests();
		return 0;
	}
	if (count != 7)
		return 2;
	for (int i = 0; i < 5; i++)
		given.x[i] = strtoull(arguments[2 + i], NULL, 16);
	answer(arguments[1], &given);
	return 0;
}
