//! One test for each kind of store, of one function.

/// Makes a test of each function, once for each kind of store.
macro_rules! on_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod dir {
            $(#[test] fn $test() { super::$test(crate::support::mount::Kind::Dir); })+
        }
        mod s3 {
            $(#[test] fn $test() { super::$test(crate::support::mount::Kind::S3); })+
        }
    };
}
