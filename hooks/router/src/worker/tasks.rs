//! Who owns spawned work: a set that ends all of it when its owner says so.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

/// A set of tasks. Also an executor for hyper, so that its tasks have an owner too.
#[derive(Clone, Default)]
pub struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    /// Start `work`; it ends by itself or with the set.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while set.try_join_next().is_some() {}
        set.spawn(work);
    }

    /// End everything now.
    pub fn end(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abort_all();
    }
}

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, work: F) {
        self.spawn(async move {
            work.await;
        });
    }
}

/// Ends the tasks of a connection when the connection ends.
pub struct Owned(pub Tasks);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.end();
    }
}
