// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What several cores do at once, in many orders: `shuttle` runs them on one thread, and switches between them at each access of
//! what [`crate::sync`] has. The tests stand beside the others, in modules of this name.
//!
//! The orders are sequentially consistent: which `Ordering` an access needs is not seen here.

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, Runner};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Orders of each kind that are tried.
const ORDERS: usize = 250;
/// How often one of the other kind gives way to another core for good.
const DEPTH: usize = 3;

fn run(scheduler: impl Scheduler + 'static, test: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    // A whole service stands on it.
    config.stack_size = 1 << 20;
    // A test that must fail leaves no files.
    config.failure_persistence = FailurePersistence::Print;
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(test);
}

/// Runs `test` in many orders, which are the same each time: half of them switch often, the others seldom, so that one core
/// waits at one place for all that another does.
pub(crate) fn in_many_orders(test: impl Fn() + Send + Sync + Copy + 'static) {
    run(RandomScheduler::new_from_seed(1, ORDERS), test);
    run(PctScheduler::new_from_seed(1, DEPTH, ORDERS), test);
}

/// Tells whether `test` fails in one of these orders.
pub(crate) fn is_found(test: impl Fn() + Send + Sync + Copy + 'static) -> bool {
    catch_unwind(AssertUnwindSafe(|| in_many_orders(test))).is_err()
}
