//! What the worker tells the warden: a queue, and the loop that empties it into the link.
//!
//! What many tasks had to say in one turn of the event loop goes out in one message, and at the turn's end, so that a crash
//! takes nothing along but what that turn began. Forwarding never blocks on the warden's disk, and never runs ahead of it:
//! when too many decisions wait to be written, new requests wait ([`Sink::room`]).

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nemoclaw_api::audit::{CLOSE, Event, ModelCall, OPEN};
use nemoclaw_api::wire::{self, WireError};
use nix::sys::socket::{MsgFlags, send};
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
pub struct Sink(Arc<Queue>);

struct Queue {
    /// `None` once nothing is written any more.
    items: Mutex<Option<Vec<Item>>>,
    work: Notify,
    waiting: AtomicUsize,
    room: Notify,
}

/// The warden is gone, or the link to it is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the warden does not listen")]
pub struct Gone;

impl Default for Sink {
    fn default() -> Sink {
        Sink(Arc::new(Queue {
            items: Mutex::new(Some(Vec::new())),
            work: Notify::new(),
            waiting: AtomicUsize::new(0),
            room: Notify::new(),
        }))
    }
}

impl Sink {
    /// Write what is said to `link`, until that fails. Whoever waits for room or for a word of its own hears of the end.
    ///
    /// # Errors
    /// The warden is gone, or something cannot be told.
    pub async fn deliver(&self, link: &UnixStream) -> WireError {
        let _closed = Closed(&self.0);
        loop {
            self.0.work.notified().await;
            if let Err(error) = self.pass_on(link).await {
                return error;
            }
        }
    }

    /// Write what waits now.
    async fn pass_on(&self, link: &UnixStream) -> Result<(), WireError> {
        let items = match self.0.items().as_mut() {
            Some(items) => std::mem::take(items),
            None => return Ok(()),
        };
        let (bytes, count, told) = messages(items)?;
        write_all(link, &bytes).await.map_err(WireError::Socket)?;
        self.0.waiting.fetch_sub(count, Ordering::AcqRel);
        self.0.room.notify_waiters();
        for done in told {
            // The asker may have been cut meanwhile; then nobody waits.
            let _ = done.send(());
        }
        Ok(())
    }

    /// Wait until there is room for another decision.
    pub async fn room(&self) {
        while self.0.waiting.load(Ordering::Acquire) >= limits::AUDIT_QUEUE {
            let freed = self.0.room.notified();
            if self.0.waiting.load(Ordering::Acquire) < limits::AUDIT_QUEUE {
                return;
            }
            freed.await;
        }
    }

    /// Record a decision.
    pub fn event(&self, event: Event) {
        self.0.waiting.fetch_add(1, Ordering::AcqRel);
        self.push(Item::Event(Box::new(event), None));
    }

    /// Record a decision and wait until it is out of this process, so that a crash cannot lose it.
    ///
    /// # Errors
    /// The warden is gone.
    pub async fn recorded(&self, event: Event) -> Result<(), Gone> {
        let (done, out) = oneshot::channel();
        self.0.waiting.fetch_add(1, Ordering::AcqRel);
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

    /// A broken link ends the worker; until then there is nobody to tell.
    fn push(&self, item: Item) {
        let mut items = self.0.items();
        let Some(items) = items.as_mut() else {
            return;
        };
        items.push(item);
        if items.len() == 1 {
            self.0.work.notify_one();
        }
    }
}

impl Queue {
    fn items(&self) -> MutexGuard<'_, Option<Vec<Item>>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing is written any more once this is dropped.
struct Closed<'q>(&'q Queue);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        // Those who wait for a word hear that it will not come.
        drop(self.0.items().take());
        self.0.room.notify_waiters();
    }
}

/// Messages that are ready to be written: their bytes, how many events they hold, and who is to be told when they are out.
type Ready = (Vec<u8>, usize, Vec<oneshot::Sender<()>>);

/// `items` in their order.
fn messages(items: Vec<Item>) -> Result<Ready, WireError> {
    let (mut bytes, mut told, mut count) = (Vec::new(), Vec::new(), 0);
    let mut events = Vec::new();
    let mut items = items.into_iter().peekable();
    while let Some(item) = items.next() {
        match item {
            Item::Event(event, done) => {
                count += 1;
                told.extend(done);
                events.push(*event);
                if events.len() < BATCH && matches!(items.peek(), Some(Item::Event(..))) {
                    continue;
                }
                let batch = FromWorker::Audit(std::mem::take(&mut events));
                wire::append(&mut bytes, &batch)?;
            }
            Item::Message(content, done) => {
                told.extend(done);
                wire::append(&mut bytes, &content)?;
            }
        }
    }
    Ok((bytes, count, told))
}

/// The link has a reader on a thread of its own that blocks, so it is this call that does not.
async fn write_all(link: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    while !bytes.is_empty() {
        match send(link.as_raw_fd(), bytes, flags) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(nix::Error::EINTR) => {}
            // The warden takes what is there every so often.
            Err(nix::Error::EAGAIN) => tokio::time::sleep(limits::AUDIT_GATHER).await,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
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

    /// The rule that decided.
    pub fn ruled(&self, rule: String) {
        self.change(|event| event.rule = Some(rule));
    }

    /// What becomes of a call to a model.
    pub fn called(&self, how: impl FnOnce(&mut ModelCall)) {
        self.change(|event| {
            if let Some(call) = &mut event.model {
                how(call);
            }
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
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    fn event() -> Event {
        crate::worker::event::blank("box", "tcp", "example.com", 443, 1)
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_io().enable_time().build().expect("runtime");
        runtime.block_on(work)
    }

    /// The events of the next message.
    fn next(link: &UnixStream) -> Vec<Event> {
        match wire::receive::<FromWorker>(link).expect("a message").0 {
            FromWorker::Audit(events) => events,
            message => panic!("{message:?}"),
        }
    }

    #[test]
    fn a_full_queue_makes_requests_wait_until_it_is_written_and_loses_nothing() {
        let (ours, theirs) = UnixStream::pair().expect("socket pair");
        let sink = Sink::default();
        for _ in 0..limits::AUDIT_QUEUE {
            sink.event(event());
        }
        let reader = std::thread::spawn(move || {
            let mut left = limits::AUDIT_QUEUE;
            while left > 0 {
                left -= next(&theirs).len();
            }
        });
        run(async {
            let short = Duration::from_millis(20);
            let waited = timeout(short, sink.room()).await;
            assert!(waited.is_err(), "a request passed a full queue");
            tokio::select! {
                error = sink.deliver(&ours) => panic!("{error}"),
                () = sink.room() => {}
            }
        });
        reader.join().expect("every event came");
    }

    #[test]
    fn what_one_turn_said_comes_in_order_and_in_one_message_per_kind() {
        let (ours, theirs) = UnixStream::pair().expect("socket pair");
        let sink = Sink::default();
        for _ in 0..3 {
            sink.event(event());
        }
        sink.send(FromWorker::Ready);
        sink.event(event());
        run(sink.pass_on(&ours)).expect("written");
        assert_eq!(next(&theirs).len(), 3);
        let (message, _) = wire::receive::<FromWorker>(&theirs).expect("a message");
        assert!(matches!(message, FromWorker::Ready));
        assert_eq!(next(&theirs).len(), 1);
    }

    #[test]
    fn who_waits_for_a_record_hears_that_the_warden_is_gone() {
        let (ours, theirs) = UnixStream::pair().expect("socket pair");
        let sink = Sink::default();
        drop(theirs);
        run(async {
            let (_, recorded) = tokio::join!(sink.deliver(&ours), sink.recorded(event()));
            assert_eq!(recorded, Err(Gone));
            assert_eq!(sink.recorded(event()).await, Err(Gone));
        });
    }

    #[test]
    fn a_flow_is_recorded_with_its_bytes_however_it_ends() {
        let (ours, theirs) = UnixStream::pair().expect("socket pair");
        let sink = Sink::default();
        let record = Record::new(&sink, event());
        record.bytes().out.store(7, Ordering::Relaxed);
        drop(record);
        run(sink.pass_on(&ours)).expect("written");
        let events = next(&theirs);
        assert_eq!(events[0].bytes_out, 7);
        assert_eq!(events[0].phase, None);
    }

    #[test]
    fn a_flow_that_is_opened_has_a_line_at_once_and_one_at_its_end() {
        let (ours, theirs) = UnixStream::pair().expect("socket pair");
        let sink = Sink::default();
        let record = Record::new(&sink, event());
        run(async {
            let opened = record.opened();
            let (opened, written) = tokio::join!(opened, sink.pass_on(&ours));
            written.expect("written");
            opened.expect("recorded");
        });
        let open = next(&theirs).remove(0);
        assert_eq!((open.phase.as_deref(), open.bytes_in), (Some(OPEN), 0));
        record.bytes().back.store(9, Ordering::Relaxed);
        drop(record);
        run(sink.pass_on(&ours)).expect("written");
        let close = next(&theirs).remove(0);
        assert_eq!((close.phase.as_deref(), close.bytes_in), (Some(CLOSE), 9));
    }

    #[test]
    fn what_was_finished_is_not_written_twice() {
        let sink = Sink::default();
        let record = Record::new(&sink, event());
        record.deny("no");
        let task = record.clone();
        let mut finish = Box::pin(async move { task.finish().await });
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(finish.as_mut().poll(&mut context).is_pending());
        drop((finish, record));
        let items = sink.0.items().take().expect("items");
        assert_eq!(items.len(), 1);
        assert!(matches!(&items[0], Item::Event(event, Some(_)) if event.verdict == "deny"));
    }
}
