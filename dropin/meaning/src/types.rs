//! What the compiler knows of the types.

use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};

use rayon_core as rayon;

use crate::{pool, see};

/// Whether a type has a trait: an inherent method with the bound is preferred to that of the trait below.
struct Probe<T: ?Sized>(PhantomData<T>);

macro_rules! probe {
    ($($method:ident $fallback:ident $bound:ident),+) => {
        $(impl<T: ?Sized + $bound> Probe<T> {
            #[allow(dead_code)]
            fn $method(&self) -> bool {
                true
            }
        }
        #[allow(dead_code)]
        trait $fallback {
            fn $method(&self) -> bool {
                false
            }
        }
        impl<T: ?Sized> $fallback for Probe<T> {})+
    };
}

probe!(is_send NotSend Send, is_sync NotSync Sync, is_unpin NotUnpin Unpin, is_unwind_safe NotUnwindSafe UnwindSafe,
    is_ref_unwind_safe NotRefUnwindSafe RefUnwindSafe);

macro_rules! traits {
    ($($type:ty),+) => {
        $({
            let probe = Probe::<$type>(PhantomData);
            let unwind = (probe.is_unwind_safe(), probe.is_ref_unwind_safe());
            see(stringify!($type), (probe.is_send(), probe.is_sync(), probe.is_unpin(), unwind));
        })+
    };
}

pub fn auto_traits() {
    #[allow(deprecated)]
    {
        traits!(
            rayon::ThreadPool,
            rayon::ThreadPoolBuilder,
            rayon::ThreadPoolBuildError,
            rayon::ThreadBuilder,
            rayon::Yield,
            rayon::FnContext,
            rayon::BroadcastContext<'static>,
            rayon::Scope<'static>,
            rayon::ScopeFifo<'static>,
            rayon::Configuration
        );
    }
}

/// Numbers of pools are masked, and what is private is not compared.
pub fn debug() {
    see("builder", rayon::ThreadPoolBuilder::new());
    let builder = rayon::ThreadPoolBuilder::new().num_threads(3).stack_size(5).thread_name(|_| String::new());
    let builder =
        builder.panic_handler(|_| ()).start_handler(|_| ()).exit_handler(|_| ()).use_current_thread();
    see("set", builder);
    #[allow(deprecated)]
    see("configuration", rayon::Configuration::new());
    let pool = pool(2);
    let name = |value: String| value.split(' ').next().map(str::to_owned);
    see("pool", name(format!("{pool:?}")));
    pool.scope(|s| see("scope", name(format!("{s:?}"))));
    pool.scope_fifo(|s| see("fifo scope", name(format!("{s:?}"))));
    see("broadcast", pool.broadcast(|context| name(format!("{context:?}"))));
    see("context", pool.install(|| rayon::join_context(|a| name(format!("{a:?}")), |_| ()).0));
    see("yield", (rayon::Yield::Executed, rayon::Yield::Idle, rayon::Yield::Idle == rayon::Yield::Idle));
}
