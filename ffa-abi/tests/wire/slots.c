/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Prints a vector for each slot that sidguard_ring.h can make; or reads the answer whose name and words are its arguments, and
 * fails where it is not what is expected.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sidguard_ring.h"

static void print(const char *name, struct sidguard_slot slot)
{
	printf("%s", name);
	for (int i = 0; i < SIDGUARD_SLOT_WORDS; i++)
		printf(" %llx", (unsigned long long)slot.words[i]);
	printf("\n");
}

static void slots(void)
{
	/* Slot 7, third use. */
	const uint32_t domain = 3 << 12 | 7;
	const uint64_t iova = 0x1234567000, both = SIDGUARD_PROTECTION_READ | SIDGUARD_PROTECTION_WRITE;
	const uint64_t address = 0x10089abc000;
	struct sidguard_slot entries = { { sidguard_entry(address, 1), sidguard_entry(address, SIDGUARD_ENTRY_PAGES),
					   sidguard_entry(address, 2), 0, 0, 0, 0, 0 } };

	print("MAP_LIST", sidguard_map_list(domain, iova, both, SIDGUARD_LIST_ENTRIES, 0));
	print("MAP_LIST.again", sidguard_map_list(domain, iova, SIDGUARD_PROTECTION_READ, 17, 0x100002000));
	print("UNMAP_LIST", sidguard_unmap_list(domain, 1, 0));
	print("UNMAP_LIST.again", sidguard_unmap_list(domain, 512, 0x89abc000));
	print("SYNC", sidguard_sync());
	print("entries", entries);
}

static int answer_is(const struct sidguard_slot *slot, uint32_t status, uint64_t done, uint64_t unmapped, int answered)
{
	struct sidguard_slot_answer answer = sidguard_slot_answer_of(slot);

	return answer.status == status && answer.done == done && answer.unmapped == unmapped && answer.answered == answered;
}

static int is_expected(const char *name, const struct sidguard_slot *slot)
{
	if (strcmp(name, "answer.ok") == 0)
		return answer_is(slot, SIDGUARD_STATUS_OK, 0x2000, 0x1000, 1);
	if (strcmp(name, "answer.again") == 0)
		return answer_is(slot, SIDGUARD_STATUS_AGAIN, 0x100000, 0, 1);
	if (strcmp(name, "answer.none") == 0)
		return answer_is(slot, 0, 0, 0, 0);
	fprintf(stderr, "%s is not known here\n", name);
	return 0;
}

int main(int count, char **arguments)
{
	struct sidguard_slot slot;

	if (sidguard_list_slots(1) != 1 || sidguard_list_slots(8) != 1 || sidguard_list_slots(9) != 2 ||
	    sidguard_list_slots(SIDGUARD_LIST_ENTRIES) != 64)
		return 3;
	if (count == 2 && strcmp(arguments[1], "requests") == 0) {
		slots();
		return 0;
	}
	if (count != 2 + SIDGUARD_SLOT_WORDS)
		return 2;
	for (int i = 0; i < SIDGUARD_SLOT_WORDS; i++)
		slot.words[i] = strtoull(arguments[2 + i], NULL, 16);
	return is_expected(arguments[1], &slot) ? 0 : 1;
}
