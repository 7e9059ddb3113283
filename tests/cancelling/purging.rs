//! A purge leaves the tasks of scopes where the thread that waits for the scope finds them.

use std::sync::atomic::{AtomicUsize, Ordering};

use longshore::Pool;

use crate::support::Rig;

/// The only worker waits for the scope, and a task of the scope purges the pool.
#[test]
fn a_purge_inside_a_scope_loses_no_task_of_it() {
    for workers in [1, 2] {
        let rig = Rig::with(Pool::builder().workers(workers));
        let ran = AtomicUsize::new(0);
        for _ in 0..100 {
            rig.scope(|scope| {
                for _ in 0..5 {
                    scope.spawn(|| {
                        rig.purge();
                        ran.fetch_add(1, Ordering::Relaxed);
                    });
                }
            });
        }
        assert_eq!(ran.load(Ordering::Relaxed), 500);
        rig.finish();
    }
}
