//! `impl_debug!`: implements `Debug` for a type whose fields say little, by its name and the results of some
//! methods.
//!
//! A derive does not fit these types: their fields are cells and pointers, and it would require `T: Debug` of
//! the values that they hold. No state. Guarded by the unit test here.

/// `impl_debug! { Inbox<T> { len, capacity } }` prints `Inbox { len: 3, capacity: 64, .. }`.
macro_rules! impl_debug {
    ($name:ident $(<$($param:tt),+>)? { $($method:ident),* }) => {
        impl $(<$($param),+>)? std::fmt::Debug for $name $(<$($param),+>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($method), &self.$method()))*
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use impl_debug;

#[cfg(test)]
mod tests {
    struct Slice<'a, T>(&'a [T]);

    impl<T> Slice<'_, T> {
        fn len(&self) -> usize {
            self.0.len()
        }
    }

    impl_debug! { Slice<'a, T> { len } }

    #[test]
    fn the_name_and_the_results_of_the_methods_are_shown() {
        struct NoDebug;
        assert_eq!(format!("{:?}", Slice(&[NoDebug, NoDebug])), "Slice { len: 2, .. }");
    }
}
