//! Word of content that was not what it should be, from the layers that find it to whoever keeps events.

use std::fmt;
use std::sync::Arc;

use super::ObjectKey;

/// Hears of each object whose content did not match its length or checksum. By default nobody does.
///
/// It is called from threads that move bytes, also of an async runtime: it may take as long as a small write to the
/// local disk, and no longer.
#[derive(Clone, Default)]
pub struct OnDamage(Option<Arc<Hear>>);

type Hear = dyn Fn(&ObjectKey, &str) + Send + Sync;

impl OnDamage {
    /// Lets `hear` hear: the object, and one line that says what did not fit and what is done about it.
    pub fn new(hear: impl Fn(&ObjectKey, &str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    /// Logs it and tells it.
    pub fn tell(&self, key: &ObjectKey, what: &str) {
        tracing::warn!("'{key}': {what}");
        if let Some(hear) = &self.0 {
            hear(key, what);
        }
    }
}

impl fmt::Debug for OnDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnDamage").field(&self.0.is_some()).finish()
    }
}
