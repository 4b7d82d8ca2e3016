//! What the worker tells the warden: a queue with a writer thread of its own.
//!
//! Forwarding never blocks on the warden's disk, and never runs ahead of it: when too many decisions wait to be
//! written, new requests wait ([`Sink::room`]).

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nemoclaw_api::audit::{CLOSE, Event, OPEN};
use nemoclaw_api::wire;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};

use super::sandbox::RequestRoom;
use crate::link::FromWorker;
use crate::{clock, limits};

/// Most events in one message.
const BATCH: usize = 128;

type Done = Option<oneshot::Sender<()>>;

enum Item {
    Event(Box<Event>, Done),
    Message(FromWorker, Done),
}

/// A handle to the queue.
#[derive(Clone)]
pub struct Sink {
    queue: UnboundedSender<Item>,
    waiting: Arc<AtomicUsize>,
    room: Arc<Notify>,
}

/// The warden is gone, or the link to it is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the warden does not listen")]
pub struct Gone;

impl Sink {
    /// A queue that writes to `stream`. The thread ends with the last handle or with the warden.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start(stream: UnixStream) -> std::io::Result<Sink> {
        let (sink, items) = Sink::detached();
        let (waiting, room) = (sink.waiting.clone(), sink.room.clone());
        std::thread::Builder::new()
            .name("to-warden".into())
            .spawn(move || write_all(&stream, items, &waiting, &room))?;
        Ok(sink)
    }

    fn detached() -> (Sink, UnboundedReceiver<Item>) {
        let (queue, items) = unbounded_channel();
        let sink = Sink {
            queue,
            waiting: Arc::default(),
            room: Arc::default(),
        };
        (sink, items)
    }

    /// Wait until there is room for another decision.
    pub async fn room(&self) {
        loop {
            let freed = self.room.notified();
            if self.waiting.load(Ordering::Acquire) < limits::AUDIT_QUEUE {
                return;
            }
            freed.await;
        }
    }

    /// Record a decision.
    pub fn event(&self, event: Event) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        self.push(Item::Event(Box::new(event), None));
    }

    /// Record a decision and wait until it is out of this process, so that a crash cannot lose it.
    ///
    /// # Errors
    /// The warden is gone.
    pub async fn recorded(&self, event: Event) -> Result<(), Gone> {
        let (done, out) = oneshot::channel();
        self.waiting.fetch_add(1, Ordering::AcqRel);
        self.push(Item::Event(Box::new(event), Some(done)));
        out.await.map_err(|_| Gone)
    }

    /// Record a refusal before anyone hears of it.
    pub async fn refusal(&self, event: Event) {
        // A warden that is gone takes this process along; what was refused stays refused.
        let _ = self.recorded(event).await;
    }

    /// Tell the warden something.
    pub fn send(&self, message: FromWorker) {
        self.push(Item::Message(message, None));
    }

    /// Tell the warden something and wait until it is out of this process, so that a crash cannot lose it.
    ///
    /// # Errors
    /// The warden is gone.
    pub async fn delivered(&self, message: FromWorker) -> Result<(), Gone> {
        let (done, out) = oneshot::channel();
        self.push(Item::Message(message, Some(done)));
        out.await.map_err(|_| Gone)
    }

    /// A broken link ends the worker by its reader; until then there is nobody to tell.
    fn push(&self, item: Item) {
        if self.queue.send(item).is_err() {
            self.room.notify_waiters();
        }
    }
}

fn write_all(
    stream: &UnixStream,
    mut items: UnboundedReceiver<Item>,
    waiting: &AtomicUsize,
    room: &Notify,
) {
    while let Some(first) = items.blocking_recv() {
        let mut next = Some(first);
        let mut events = Vec::new();
        let mut told = Vec::new();
        let mut message = None;
        while let Some(item) = next.take() {
            match item {
                Item::Event(event, done) => {
                    events.push(*event);
                    told.extend(done);
                }
                Item::Message(content, done) => {
                    message = Some((content, done));
                    break;
                }
            }
            if events.len() < BATCH {
                next = items.try_recv().ok();
            }
        }
        let count = events.len();
        if count > 0 {
            if let Err(error) = wire::send(stream, &FromWorker::Audit(events), &[]) {
                return super::log(&format!("the warden takes no decisions: {error}"));
            }
            waiting.fetch_sub(count, Ordering::AcqRel);
            room.notify_waiters();
        }
        if let Some((content, done)) = message {
            if let Err(error) = wire::send(stream, &content, &[]) {
                return super::log(&format!("the warden takes no messages: {error}"));
            }
            told.extend(done);
        }
        for done in told {
            // The asker may have been cut meanwhile; then nobody waits.
            let _ = done.send(());
        }
    }
}

/// Bytes of one flow.
#[derive(Debug, Default)]
pub struct Bytes {
    /// From the box.
    pub out: AtomicU64,
    /// To the box.
    pub back: AtomicU64,
}

/// A decision that is written when the flow ends, however it ends: when the last holder of the record goes.
#[derive(Clone)]
pub struct Record(Arc<Flow>);

struct Flow {
    sink: Sink,
    event: Mutex<Option<Event>>,
    bytes: Arc<Bytes>,
    _room: Option<RequestRoom>,
}

impl Record {
    /// Write `event` when this value and its clones are gone.
    #[must_use]
    pub fn new(sink: &Sink, event: Event) -> Record {
        Record::of(sink, event, None)
    }

    /// The same for a request, whose `room` is taken until then.
    #[must_use]
    pub fn request(sink: &Sink, event: Event, room: RequestRoom) -> Record {
        Record::of(sink, event, Some(room))
    }

    fn of(sink: &Sink, event: Event, room: Option<RequestRoom>) -> Record {
        Record(Arc::new(Flow {
            sink: sink.clone(),
            event: Mutex::new(Some(event)),
            bytes: Arc::default(),
            _room: room,
        }))
    }

    /// The counters of the flow.
    #[must_use]
    pub fn bytes(&self) -> Arc<Bytes> {
        self.0.bytes.clone()
    }

    /// Say why an allowed flow ended badly. The first reason stays: the others follow from it.
    pub fn because(&self, reason: impl Into<String>) {
        self.change(|event| {
            event.reason.get_or_insert_with(|| reason.into());
        });
    }

    /// What was allowed turned out to be refused.
    pub fn deny(&self, reason: impl Into<String>) {
        self.change(|event| {
            event.verdict = "deny".into();
            event.reason = Some(reason.into());
        });
    }

    /// A flow that may last begins: it gets a line now, before its first byte passes, and one when it ends.
    ///
    /// # Errors
    /// The warden is gone.
    pub async fn opened(&self) -> Result<(), Gone> {
        let mut first = None;
        self.change(|event| {
            event.phase = Some(OPEN.to_owned());
            first = Some(event.clone());
            event.phase = Some(CLOSE.to_owned());
        });
        match first {
            Some(event) => self.0.sink.recorded(event).await,
            None => Ok(()),
        }
    }

    /// Write it now, before anyone hears of it.
    pub async fn finish(&self) {
        if let Some(event) = self.0.take() {
            self.0.sink.refusal(event).await;
        }
    }

    fn change(&self, how: impl FnOnce(&mut Event)) {
        let mut event = self.0.event.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(event) = event.as_mut() {
            how(event);
        }
    }
}

impl Flow {
    /// What is to be written; once.
    fn take(&self) -> Option<Event> {
        let mut event = self
            .event
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        event.bytes_out = self.bytes.out.load(Ordering::Relaxed);
        event.bytes_in = self.bytes.back.load(Ordering::Relaxed);
        if event.phase.is_some() {
            event.time = clock::now();
        }
        Some(event)
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if let Some(event) = self.take() {
            self.sink.event(event);
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! A sink that writes into a socket the test reads.
    use super::*;

    /// A sink and its other end.
    pub fn pair() -> (Sink, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("socket pair");
        (Sink::start(ours).expect("thread"), theirs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        crate::worker::event::blank("box", "tcp", "example.com", 443, 1)
    }

    #[test]
    fn a_full_queue_makes_requests_wait_and_loses_nothing() {
        let (sink, mut items) = Sink::detached();
        for _ in 0..limits::AUDIT_QUEUE {
            sink.event(event());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("runtime");
        let waited = runtime.block_on(async {
            tokio::time::timeout(std::time::Duration::from_millis(20), sink.room()).await
        });
        assert!(waited.is_err(), "a request passed a full queue");
        let mut left = 0;
        while items.try_recv().is_ok() {
            left += 1;
        }
        assert_eq!(left, limits::AUDIT_QUEUE);
    }

    #[test]
    fn a_flow_is_recorded_with_its_bytes_however_it_ends() {
        let (sink, other) = testing::pair();
        let record = Record::new(&sink, event());
        record.bytes().out.store(7, Ordering::Relaxed);
        drop(record);
        let (message, _) = wire::receive::<FromWorker>(&other).expect("a message");
        let FromWorker::Audit(events) = message else {
            panic!("{message:?}")
        };
        assert_eq!(events[0].bytes_out, 7);
        assert_eq!(events[0].phase, None);
    }

    #[test]
    fn a_flow_that_is_opened_has_a_line_at_once_and_one_at_its_end() {
        let (sink, other) = testing::pair();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("runtime");
        let record = Record::new(&sink, event());
        runtime.block_on(record.opened()).expect("recorded");
        record.bytes().back.store(9, Ordering::Relaxed);
        let next = || match wire::receive::<FromWorker>(&other).expect("a message").0 {
            FromWorker::Audit(mut events) => events.remove(0),
            message => panic!("{message:?}"),
        };
        let open = next();
        assert_eq!((open.phase.as_deref(), open.bytes_in), (Some(OPEN), 0));
        drop(record);
        let close = next();
        assert_eq!((close.phase.as_deref(), close.bytes_in), (Some(CLOSE), 9));
    }

    #[test]
    fn what_was_finished_is_not_written_twice() {
        let (sink, mut items) = Sink::detached();
        let record = Record::new(&sink, event());
        record.deny("no");
        let task = record.clone();
        let mut finish = Box::pin(async move { task.finish().await });
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(finish.as_mut().poll(&mut context).is_pending());
        drop((finish, record));
        assert!(
            matches!(items.try_recv(), Ok(Item::Event(event, Some(_))) if event.verdict == "deny")
        );
        assert!(items.try_recv().is_err());
    }
}
