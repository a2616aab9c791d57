/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What stands in a ring: slots of eight 64-bit words, little-endian, in memory that a client shares with the service. For clients
 * in C; nothing here allocates, waits or calls. What each word means stands in docs/protocol.md, under Rings.
 *
 * The golden vectors in ../slots.txt hold for these functions and for the service's own code alike. The words are in the order
 * of the processor: one that is big-endian swaps them on the way to the ring and back.
 */
#ifndef SIDGUARD_RING_H
#define SIDGUARD_RING_H

#include "sidguard_abi.h"

#define SIDGUARD_SLOT_WORDS 8
/* The most entries of one list, and the most pages of one entry. */
#define SIDGUARD_LIST_ENTRIES 512
#define SIDGUARD_ENTRY_PAGES 4096
/* Bit of word 5 once there is an answer. */
#define SIDGUARD_ANSWERED (UINT64_C(1) << 63)

/* One slot: a descriptor, or eight entries of the list of one before it. */
struct sidguard_slot {
	uint64_t words[SIDGUARD_SLOT_WORDS];
};

/* Returns how many slots behind its descriptor a list takes. */
static inline uint16_t sidguard_list_slots(uint16_t entries)
{
	return (uint16_t)((entries + SIDGUARD_SLOT_WORDS - 1) / SIDGUARD_SLOT_WORDS);
}

/* Returns an entry: `pages` pages, 1 to SIDGUARD_ENTRY_PAGES of them, from the address of a page on. */
static inline uint64_t sidguard_entry(uint64_t address, uint16_t pages)
{
	return (address & ~UINT64_C(0xfff)) | ((uint64_t)(pages - 1) & 0xfff);
}

static inline struct sidguard_slot sidguard_descriptor(uint16_t operation, uint16_t entries, uint32_t domain, uint64_t iova,
						       uint64_t protection, uint64_t done)
{
	struct sidguard_slot slot = {
		{ operation | (uint64_t)entries << 16 | (uint64_t)domain << 32, iova, protection, done, 0, 0, 0, 0 }
	};

	return slot;
}

/* `done` is 0 at first, and what sidguard_slot_answer_of() gave where a list goes on after AGAIN. */
static inline struct sidguard_slot sidguard_map_list(uint32_t domain, uint64_t iova, uint64_t protection, uint16_t entries,
						     uint64_t done)
{
	return sidguard_descriptor(SIDGUARD_RING_OPERATION_MAP_LIST, entries, domain, iova, protection, done);
}

static inline struct sidguard_slot sidguard_unmap_list(uint32_t domain, uint16_t entries, uint64_t done)
{
	return sidguard_descriptor(SIDGUARD_RING_OPERATION_UNMAP_LIST, entries, domain, 0, 0, done);
}

static inline struct sidguard_slot sidguard_sync(void)
{
	return sidguard_descriptor(SIDGUARD_RING_OPERATION_SYNC, 0, 0, 0, 0, 0);
}

/* The answer to a descriptor, in the descriptor's own slot. */
struct sidguard_slot_answer {
	/* Bytes of the list that are done, from its first entry on. */
	uint64_t done;
	/* Bytes that an UNMAP_LIST has unmapped by this message. */
	uint64_t unmapped;
	/* enum sidguard_status. */
	uint32_t status;
	/* 0: the service has not come to this descriptor, and the other fields say nothing. */
	uint8_t answered;
};

/* A client reads word 5 before the others (acquire). */
static inline struct sidguard_slot_answer sidguard_slot_answer_of(const struct sidguard_slot *slot)
{
	struct sidguard_slot_answer answer = {
		.done = slot->words[3],
		.unmapped = slot->words[6],
		.status = (uint32_t)slot->words[5],
		.answered = (uint8_t)(slot->words[5] >> 63),
	};

	return answer;
}

#endif /* SIDGUARD_RING_H */
