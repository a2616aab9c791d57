/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Numbers of the iommu service's wire protocol. Written by `cargo xtask header` from the Rust types that the service itself
 * uses; what puts them into registers is sidguard.h.
 */


#ifndef SIDGUARD_ABI_H
#define SIDGUARD_ABI_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif






/**
 * Whose domains take memory for tables. Each of them has a share of its own, which the others cannot use up.
 */
enum sidguard_pool_holder
#if __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // __STDC_VERSION__ >= 202311L
 {
        /**
         * The kernel's.
         */
        SIDGUARD_POOL_HOLDER_HOST = 0,
        /**
         * The hypervisor's own.
         */
        SIDGUARD_POOL_HOLDER_HYP = 1,
        /**
         * Those of all guests.
         */
        SIDGUARD_POOL_HOLDER_GUESTS = 2,
};
#if __STDC_VERSION__ >= 202311L
typedef enum sidguard_pool_holder sidguard_pool_holder;
#else
typedef uint8_t sidguard_pool_holder;
#endif // __STDC_VERSION__ >= 202311L

/**
 * What a message asks for. The numbers are wire format: they are never reused.
 */
enum sidguard_operation
#if __STDC_VERSION__ >= 202311L
  : uint16_t
#endif // __STDC_VERSION__ >= 202311L
 {
        /**
         * Agrees on a protocol version.
         */
        SIDGUARD_OPERATION_VERSION = 1,
        /**
         * Asks what the service and this platform offer.
         */
        SIDGUARD_OPERATION_FEATURES = 2,
        /**
         * Asks for the digest of the policy in force.
         */
        SIDGUARD_OPERATION_POLICY_DIGEST = 3,
        /**
         * Lists the devices that the caller may hold, one a call.
         */
        SIDGUARD_OPERATION_DEVICE_DESCRIBE = 4,
        /**
         * Takes the hypervisor's role, once and for ever.
         */
        SIDGUARD_OPERATION_CLAIM = 5,
        /**
         * Compares what the caller found of a device with the policy. Changes nothing.
         */
        SIDGUARD_OPERATION_REGISTER = 6,
        /**
         * Makes an empty domain.
         */
        SIDGUARD_OPERATION_DOMAIN_ALLOC = 16,
        /**
         * Frees a domain and its tables.
         */
        SIDGUARD_OPERATION_DOMAIN_FREE = 17,
        /**
         * Sets what a device's DMA may reach.
         */
        SIDGUARD_OPERATION_DEVICE_SET_STATE = 18,
        /**
         * Has a device translated by a stage 1 of the caller's, in front of a domain.
         */
        SIDGUARD_OPERATION_NESTED_SET = 28,
        /**
         * Has an SMMU forget something of that stage 1.
         */
        SIDGUARD_OPERATION_NESTED_INVALIDATE = 29,
        /**
         * Maps pages into a domain.
         */
        SIDGUARD_OPERATION_MAP = 32,
        /**
         * Removes mappings and waits until no device uses them.
         */
        SIDGUARD_OPERATION_UNMAP = 33,
        /**
         * Looks a mapping up.
         */
        SIDGUARD_OPERATION_IOVA_TO_PA = 34,
        /**
         * Takes the oldest fault report.
         */
        SIDGUARD_OPERATION_FAULT_POLL = 48,
        /**
         * Lets the service use memory that was shared with it.
         */
        SIDGUARD_OPERATION_AREA_OPEN = 64,
        /**
         * Ends that: the memory can be reclaimed.
         */
        SIDGUARD_OPERATION_AREA_CLOSE = 65,
        /**
         * Has descriptors of a ring handled.
         */
        SIDGUARD_OPERATION_DOORBELL = 66,
        /**
         * Has a request in a page of shared memory answered there.
         */
        SIDGUARD_OPERATION_CALL = 67,
        /**
         * Asks how an SMMU is.
         */
        SIDGUARD_OPERATION_SMMU_STATUS = 80,
        /**
         * Has an SMMU's registers compared, and what is wrong with it set right.
         */
        SIDGUARD_OPERATION_SMMU_CHECK = 81,
};
#if __STDC_VERSION__ >= 202311L
typedef enum sidguard_operation sidguard_operation;
#else
typedef uint16_t sidguard_operation;
#endif // __STDC_VERSION__ >= 202311L

/**
 * What the hypervisor asks for. The numbers are wire format: they are never reused.
 */
enum sidguard_hyp_operation
#if __STDC_VERSION__ >= 202311L
  : uint16_t
#endif // __STDC_VERSION__ >= 202311L
 {
        /**
         * Asks what the service has counted.
         */
        SIDGUARD_HYP_OPERATION_STATISTICS = 32773,
        /**
         * Takes pages from the kernel.
         */
        SIDGUARD_HYP_OPERATION_OWN = 32784,
        /**
         * Gives pages back to the kernel.
         */
        SIDGUARD_HYP_OPERATION_DISOWN = 32785,
        /**
         * Lets the kernel map pages that are another's.
         */
        SIDGUARD_HYP_OPERATION_SHARE = 32786,
        /**
         * Ends that.
         */
        SIDGUARD_HYP_OPERATION_UNSHARE = 32787,
        /**
         * Asks whose a page is.
         */
        SIDGUARD_HYP_OPERATION_PAGE_STATE = 32788,
        /**
         * Makes a domain for the hypervisor or a guest.
         */
        SIDGUARD_HYP_OPERATION_GUEST_DOMAIN_ALLOC = 32800,
        /**
         * Frees one.
         */
        SIDGUARD_HYP_OPERATION_GUEST_DOMAIN_FREE = 32801,
        /**
         * Maps pages of its owner's in one.
         */
        SIDGUARD_HYP_OPERATION_GUEST_MAP = 32802,
        /**
         * Unmaps pages.
         */
        SIDGUARD_HYP_OPERATION_GUEST_UNMAP = 32803,
        /**
         * Looks an address up.
         */
        SIDGUARD_HYP_OPERATION_GUEST_IOVA_TO_PA = 32804,
        /**
         * Puts a device into such a domain.
         */
        SIDGUARD_HYP_OPERATION_DEVICE_ASSIGN = 32805,
        /**
         * Takes it out.
         */
        SIDGUARD_HYP_OPERATION_DEVICE_RETURN = 32806,
        /**
         * Takes the oldest fault report of devices that the kernel may not hold.
         */
        SIDGUARD_HYP_OPERATION_FAULT_POLL = 32816,
        /**
         * Puts a device into quarantine, or takes it out.
         */
        SIDGUARD_HYP_OPERATION_QUARANTINE = 32817,
        /**
         * Asks how an SMMU is.
         */
        SIDGUARD_HYP_OPERATION_SMMU_STATUS = 32848,
        /**
         * Has an SMMU's registers compared, and what is wrong with it set right.
         */
        SIDGUARD_HYP_OPERATION_SMMU_CHECK = 32849,
        /**
         * Lends memory for tables.
         */
        SIDGUARD_HYP_OPERATION_POOL_LEND = 32864,
        /**
         * Takes it back.
         */
        SIDGUARD_HYP_OPERATION_POOL_RECLAIM = 32865,
        /**
         * Asks what somebody's tables take.
         */
        SIDGUARD_HYP_OPERATION_POOL_STATUS = 32866,
};
#if __STDC_VERSION__ >= 202311L
typedef enum sidguard_hyp_operation sidguard_hyp_operation;
#else
typedef uint16_t sidguard_hyp_operation;
#endif // __STDC_VERSION__ >= 202311L

/**
 * The outcome of an operation, in x3 of the answer. Each names one reason, so that a client knows what to change.
 */
enum sidguard_status
#if __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // __STDC_VERSION__ >= 202311L
 {
        /**
         * Done.
         */
        SIDGUARD_STATUS_OK = 0,
        /**
         * No such operation, kind or protocol version here.
         */
        SIDGUARD_STATUS_NOT_SUPPORTED = 1,
        /**
         * A field that must be zero is not, or a value names nothing that this operation knows.
         */
        SIDGUARD_STATUS_INVALID_PARAMETERS = 2,
        /**
         * The policy, or the owner of a page, does not allow it.
         */
        SIDGUARD_STATUS_DENIED = 3,
        /**
         * The handle names no domain or area, or one that was freed since.
         */
        SIDGUARD_STATUS_INVALID_HANDLE = 4,
        /**
         * An address or a size is not a multiple of the smallest page.
         */
        SIDGUARD_STATUS_MISALIGNED = 5,
        /**
         * A size is zero, or an address range leaves what the domain or the address space holds.
         */
        SIDGUARD_STATUS_OUT_OF_RANGE = 6,
        /**
         * The domain is in use by a device, or by another call that must end first.
         */
        SIDGUARD_STATUS_BUSY = 7,
        /**
         * A page of the range is mapped already; x4 says how many bytes before it were mapped by this call.
         */
        SIDGUARD_STATUS_ALREADY_MAPPED = 8,
        /**
         * No page is mapped at the address.
         */
        SIDGUARD_STATUS_NOT_MAPPED = 9,
        /**
         * No memory for tables, no free domain: the caller's own limit or the pool's end.
         */
        SIDGUARD_STATUS_NO_MEMORY = 10,
        /**
         * The work is bounded per call and not finished: call again with the same arguments.
         */
        SIDGUARD_STATUS_AGAIN = 11,
        /**
         * There is nothing more to report.
         */
        SIDGUARD_STATUS_EMPTY = 12,
        /**
         * The hardware did not do its part in time; its SMMU now aborts all DMA.
         */
        SIDGUARD_STATUS_HARDWARE = 13,
        /**
         * The range begins or ends inside a block that one `MAP` made; blocks are unmapped whole.
         */
        SIDGUARD_STATUS_WOULD_SPLIT = 14,
        /**
         * A table in the pool is not what the service wrote: somebody else can write there.
         */
        SIDGUARD_STATUS_TAMPERED = 15,
        /**
         * The hypervisor has not taken its role yet: only then others are served.
         */
        SIDGUARD_STATUS_NOT_READY = 16,
        /**
         * The key is not the hypervisor's.
         */
        SIDGUARD_STATUS_WRONG_KEY = 17,
        /**
         * What the caller found of a device is not what the policy says; x4 says in which fields.
         */
        SIDGUARD_STATUS_DIFFERS = 18,
        /**
         * A page is mapped for devices as often as can be counted.
         */
        SIDGUARD_STATUS_SATURATED = 19,
};
#if __STDC_VERSION__ >= 202311L
typedef enum sidguard_status sidguard_status;
#else
typedef uint32_t sidguard_status;
#endif // __STDC_VERSION__ >= 202311L

/**
 * Why a transaction was stopped.
 */
enum sidguard_fault_kind
#if __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // __STDC_VERSION__ >= 202311L
 {
        /**
         * Nothing is mapped at the address.
         */
        SIDGUARD_FAULT_KIND_TRANSLATION = 1,
        /**
         * The mapping does not allow this access.
         */
        SIDGUARD_FAULT_KIND_PERMISSION = 2,
        /**
         * The address is wider than the domain.
         */
        SIDGUARD_FAULT_KIND_ADDRESS_SIZE = 3,
        /**
         * The stream is blocked, or not in the policy.
         */
        SIDGUARD_FAULT_KIND_STREAM = 4,
        /**
         * The SMMU could not read its own structures.
         */
        SIDGUARD_FAULT_KIND_STRUCTURE = 5,
        /**
         * An event that the service does not know.
         */
        SIDGUARD_FAULT_KIND_OTHER = 6,
        /**
         * The device faulted more often than the policy lets it, and was quarantined: its transactions abort unheard until its
         * holder sets its state.
         */
        SIDGUARD_FAULT_KIND_QUARANTINED = 7,
};
#if __STDC_VERSION__ >= 202311L
typedef enum sidguard_fault_kind sidguard_fault_kind;
#else
typedef uint8_t sidguard_fault_kind;
#endif // __STDC_VERSION__ >= 202311L

/**
 * Who keeps the normal world away from the SMMU's frames and from the pool.
 *
 * A fact of the platform, stated in its policy: tables of non-secure streams stand in non-secure memory.
 */
enum sidguard_guard_level
#if __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // __STDC_VERSION__ >= 202311L
 {
        /**
         * Nobody: the service protects against mistakes only.
         */
        SIDGUARD_GUARD_LEVEL_NOBODY = 0,
        /**
         * The hypervisor's stage 2: holds against the host, hyp is trusted.
         */
        SIDGUARD_GUARD_LEVEL_EL2 = 1,
        /**
         * A filter on the bus: holds against host and hyp.
         */
        SIDGUARD_GUARD_LEVEL_BUS_FILTER = 2,
};
#if __STDC_VERSION__ >= 202311L
typedef enum sidguard_guard_level sidguard_guard_level;
#else
typedef uint8_t sidguard_guard_level;
#endif // __STDC_VERSION__ >= 202311L

/**
 * Whether an SMMU works, bits 7:0 of x4 in the answer to `SMMU_STATUS`.
 */
enum sidguard_smmu_state
#if __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // __STDC_VERSION__ >= 202311L
 {
        /**
         * It does what it is told.
         */
        SIDGUARD_SMMU_STATE_WORKS = 0,
        /**
         * It did not do what it was told in time: it was told to abort all DMA.
         */
        SIDGUARD_SMMU_STATE_TIMED_OUT = 1,
        /**
         * It reported an error that it cannot go on after: it was told to abort all DMA.
         */
        SIDGUARD_SMMU_STATE_ERROR = 2,
        /**
         * Registers were not as the service left them: it was told to abort all DMA.
         */
        SIDGUARD_SMMU_STATE_DIFFERED = 3,
};
#if __STDC_VERSION__ >= 202311L
typedef enum sidguard_smmu_state sidguard_smmu_state;
#else
typedef uint8_t sidguard_smmu_state;
#endif // __STDC_VERSION__ >= 202311L

/**
 * What a client says of an SMMU's power, x4 of `SMMU_CHECK`. Nothing rests on it: a difference that was announced is
 * counted as a loss of power, others as tampering, and that is all.
 */
enum sidguard_power_hint
#if __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // __STDC_VERSION__ >= 202311L
 {
        /**
         * Nothing: registers are to be compared.
         */
        SIDGUARD_POWER_HINT_NONE = 0,
        /**
         * It is about to go.
         */
        SIDGUARD_POWER_HINT_GOES = 1,
        /**
         * It is back.
         */
        SIDGUARD_POWER_HINT_RETURNED = 2,
};
#if __STDC_VERSION__ >= 202311L
typedef enum sidguard_power_hint sidguard_power_hint;
#else
typedef uint8_t sidguard_power_hint;
#endif // __STDC_VERSION__ >= 202311L

/**
 * The operations of descriptors. The numbers are wire format.
 */
enum sidguard_ring_operation
#if __STDC_VERSION__ >= 202311L
  : uint16_t
#endif // __STDC_VERSION__ >= 202311L
 {
        SIDGUARD_RING_OPERATION_MAP_LIST = 68,
        SIDGUARD_RING_OPERATION_UNMAP_LIST = 69,
        SIDGUARD_RING_OPERATION_SYNC = 70,
};
#if __STDC_VERSION__ >= 202311L
typedef enum sidguard_ring_operation sidguard_ring_operation;
#else
typedef uint16_t sidguard_ring_operation;
#endif // __STDC_VERSION__ >= 202311L

/**
 * Optional abilities, bits 63:8 of x4 in the answer to `FEATURES`.
 */
typedef uint64_t SIDGUARD_FEATURES;
/**
 * Every SMMU invalidates address ranges with one command.
 */
#define SIDGUARD_FEATURES_RANGE_INVALIDATION (uint64_t)(1 << 8)
/**
 * A hypervisor must take its role before others are served.
 */
#define SIDGUARD_FEATURES_HYP_REQUIRED (uint64_t)(1 << 9)
/**
 * The hypervisor's role is taken.
 */
#define SIDGUARD_FEATURES_HYP_CLAIMED (uint64_t)(1 << 10)

/**
 * What a device may do with mapped pages, x7 of `MAP`.
 */
typedef uint64_t SIDGUARD_PROTECTION;
/**
 * The device may read.
 */
#define SIDGUARD_PROTECTION_READ (uint64_t)(1 << 0)
/**
 * The device may write.
 */
#define SIDGUARD_PROTECTION_WRITE (uint64_t)(1 << 1)

/**
 * Fields in which a device is not as the policy says, x4 of [`Status::Differs`].
 */
typedef uint64_t SIDGUARD_DIFFERENCE;
/**
 * The SMMU that it is behind.
 */
#define SIDGUARD_DIFFERENCE_SMMU (uint64_t)(1 << 0)
/**
 * Its first stream ID.
 */
#define SIDGUARD_DIFFERENCE_FIRST (uint64_t)(1 << 1)
/**
 * How many stream IDs it has.
 */
#define SIDGUARD_DIFFERENCE_COUNT (uint64_t)(1 << 2)
/**
 * Its name.
 */
#define SIDGUARD_DIFFERENCE_NAME (uint64_t)(1 << 3)

/**
 * Registers that the service compares with its own copy.
 */
typedef uint32_t SIDGUARD_SMMU_REGISTERS;
/**
 * Control, or what of it has taken effect.
 */
#define SIDGUARD_SMMU_REGISTERS_CR0 (uint32_t)(1 << 0)
/**
 * Memory attributes.
 */
#define SIDGUARD_SMMU_REGISTERS_CR1 (uint32_t)(1 << 1)
/**
 * Broadcast maintenance and recording.
 */
#define SIDGUARD_SMMU_REGISTERS_CR2 (uint32_t)(1 << 2)
/**
 * What DMA meets while nothing is translated: it has to abort.
 */
#define SIDGUARD_SMMU_REGISTERS_GBPA (uint32_t)(1 << 3)
/**
 * Interrupt enables.
 */
#define SIDGUARD_SMMU_REGISTERS_IRQ_CTRL (uint32_t)(1 << 4)
/**
 * Where the message of a global error goes: nowhere.
 */
#define SIDGUARD_SMMU_REGISTERS_GERROR_IRQ_CFG0 (uint32_t)(1 << 5)
/**
 * Where the stream table stands.
 */
#define SIDGUARD_SMMU_REGISTERS_STRTAB_BASE (uint32_t)(1 << 6)
/**
 * Its size and form.
 */
#define SIDGUARD_SMMU_REGISTERS_STRTAB_BASE_CFG (uint32_t)(1 << 7)
/**
 * Where the command queue stands.
 */
#define SIDGUARD_SMMU_REGISTERS_CMDQ_BASE (uint32_t)(1 << 8)
/**
 * How far the command queue is filled.
 */
#define SIDGUARD_SMMU_REGISTERS_CMDQ_PROD (uint32_t)(1 << 9)
/**
 * Where the event queue stands.
 */
#define SIDGUARD_SMMU_REGISTERS_EVENTQ_BASE (uint32_t)(1 << 10)
/**
 * Where the message of the event queue goes: nowhere.
 */
#define SIDGUARD_SMMU_REGISTERS_EVENTQ_IRQ_CFG0 (uint32_t)(1 << 11)



/**
 * All of them, by their numbers.
 */
#define sidguard_pool_holder_ALL { sidguard_pool_holder_Host, sidguard_pool_holder_Hyp, sidguard_pool_holder_Guests, }

#endif  /* SIDGUARD_ABI_H */
