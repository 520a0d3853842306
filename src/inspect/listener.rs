//! Who is told how far a long piece of work has come.

use std::fmt;
use std::sync::Arc;

/// A function that is told something now and then.
#[derive(Clone)]
pub struct Listener<T>(Arc<dyn Fn(T) + Send + Sync>);

impl<T> Listener<T> {
    /// Takes a function, or a closure that hands on what it is told.
    pub fn new(listen: impl Fn(T) + Send + Sync + 'static) -> Self {
        Listener(Arc::new(listen))
    }

    pub(super) fn tell(&self, what: T) {
        (self.0)(what);
    }
}

impl<T> fmt::Debug for Listener<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}
