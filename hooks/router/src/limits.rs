//! Every limit of the router: its value, who it protects, and what happens beyond it.

use std::time::Duration;

/// Open connections of one sandbox. Protects the other sandboxes; the next one is reset.
pub const CONNECTIONS_PER_BOX: usize = 512;
/// Open connections of all sandboxes. Protects the worker's memory, of which an idle one takes some 10 KB and one with
/// HTTP/2 some 40 KB; the next one is reset.
pub const CONNECTIONS: usize = 16 * 1024;
/// Requests under way of one sandbox, WebSockets included: each may hold an upstream connection, and one HTTP/2
/// connection carries [`STREAMS`] of them. Protects the other sandboxes; the next one gets 503.
pub const REQUESTS_PER_BOX: usize = 512;
/// Requests under way of all sandboxes. Protects the worker's memory and open files; the next one gets 503.
pub const REQUESTS: usize = 4096;
/// Open files of the worker: two per connection, one per request, pooled upstream connections, pipes, and room. A node
/// may allow less; a connection for which there is no file is reset.
pub const WORKER_FILES: u64 = 64 * 1024;

/// Names with a virtual address, per sandbox. Protects memory; the next name does not exist.
pub const NAMES_PER_BOX: usize = 1024;
/// Distinct new names under wildcards, per sandbox and [`WILDCARD_WINDOW`]. Bounds what can be told to the owner of a
/// zone by asking for names; the next name does not exist.
pub const WILDCARD_NAMES: usize = 64;
/// The window of [`WILDCARD_NAMES`].
pub const WILDCARD_WINDOW: Duration = Duration::from_secs(3600);
/// How long a sandbox may keep an answer, seconds.
pub const DNS_TTL: u32 = 30;
/// Within this time a name with the same outcome has one line in the audit log: A and AAAA are one look-up.
pub const DNS_TWIN: Duration = Duration::from_secs(1);
/// Names that are remembered for that; beyond it every question has a line.
pub const DNS_TWINS: usize = 256;
/// The longest DNS message that is read; longer ones are dropped.
pub const DNS_MESSAGE: usize = 4096;

/// Header bytes of one request. Protects memory; hyper answers 431, or ends the stream.
pub const HEADER_BYTES: usize = 16 * 1024;
/// Header fields of one request; as [`HEADER_BYTES`].
pub const HEADER_FIELDS: usize = 100;
/// The line with a chunk's size, extensions included. Nothing behind a longer one is taken for a request.
pub const CHUNK_LINE: usize = 256;
/// Concurrent requests on one HTTP/2 connection; the next stream is refused.
pub const STREAMS: u32 = 100;
/// How much of a refused request's body is read so that its connection stays of use; beyond it, it is closed.
pub const DRAIN_BYTES: u64 = 64 * 1024;
/// How long that may take.
pub const DRAIN_TIME: Duration = Duration::from_secs(1);
/// How long a request's head may take from its first byte, or an HTTP/2 client's first words; the connection is closed.
pub const HEAD_TIME: Duration = Duration::from_secs(30);
/// The longest body in which placeholders of credentials are resolved, bytes. Protects memory; 413.
pub const CREDENTIAL_BODY: usize = 256 * 1024;
/// How long a body may take that rules look into; 408.
pub const INSPECT_TIME: Duration = Duration::from_secs(60);
/// How long a request waits for a person; 403 with the proposal's id, which may be answered later.
pub const ASK_TIME: Duration = Duration::from_secs(300);
/// Requests of one sandbox that wait for a person. Protects the other sandboxes; the next one gets 403.
pub const ASKING_PER_BOX: usize = 32;
/// Proposals of one sandbox that are kept; beyond it the oldest that nobody waits for is forgotten, and without one
/// the next request gets 403.
pub const PROPOSALS_PER_BOX: usize = 64;
/// How long a proposal whose client has given up is kept, and how long an approval for one time waits for the request
/// to come again.
pub const PROPOSAL_TIME: Duration = Duration::from_secs(3600);
/// The longest body of a request that a person is asked about; beyond it 413.
pub const ASK_BODY: usize = 1024 * 1024;
/// How long an upstream may take until its answer begins (a model may think for minutes); 504.
pub const ANSWER_TIME: Duration = Duration::from_secs(300);
/// How long a body or a WebSocket may be silent in both directions; it is cut.
pub const BODY_IDLE: Duration = Duration::from_secs(900);
/// The longest text of a WebSocket whose texts are decided; the connection is closed.
pub const WEBSOCKET_TEXT: u64 = 4 * 1024 * 1024;
/// Bytes of such texts that one sandbox may have under way. Protects the worker's memory; the connection is closed.
pub const WEBSOCKET_TEXTS: usize = 32 * 1024 * 1024;
/// How long a connection without a request is kept.
pub const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// The longest TLS hello that is read; a longer one is refused.
pub const HELLO_BYTES: usize = 16 * 1024;
/// How long a client may take for its hello, and for the whole handshake; it is refused.
pub const HELLO_TIME: Duration = Duration::from_secs(5);
/// How long a passed-through connection waits for the client's first byte before it dials, so that a server that
/// speaks first is heard.
pub const SERVER_FIRST: Duration = Duration::from_millis(150);
/// How long a passed-through connection may be silent in both directions; it is cut.
pub const PASS_IDLE: Duration = Duration::from_secs(3600);
/// The buffer that all passed-through connections share, and of each direction of a WebSocket.
pub const PASS_BUFFER: usize = 32 * 1024;
/// Bytes of one direction after which the kernel moves the rest: a pipe costs more than it saves on short messages.
pub const SPLICE_AFTER: usize = 64 * 1024;
/// Bytes that one such move takes at most: what a pipe holds.
pub const SPLICE_BYTES: usize = 64 * 1024;
/// Pipes for that at once, of two open files each. Protects open files; beyond it, bytes are copied.
pub const PIPES: usize = 512;

/// Leaf certificates kept per sandbox; the oldest goes.
pub const LEAVES: usize = 256;
/// How long a leaf certificate is used before a new one is made.
pub const LEAF_USE: Duration = Duration::from_secs(24 * 3600);

/// How long dialling upstream may take, all addresses and the TLS handshake together; 504.
pub const CONNECT_TIME: Duration = Duration::from_secs(30);
/// How long one address may take when there are others.
pub const ADDRESS_TIME: Duration = Duration::from_secs(10);
/// How long one DNS server may take before the next is asked.
pub const RESOLVE_TRY: Duration = Duration::from_secs(2);
/// How long resolving may take; 502.
pub const RESOLVE_TIME: Duration = Duration::from_secs(10);
/// The shortest and the longest time that a resolved address is kept.
pub const RESOLVE_KEEP: (u32, u32) = (5, 300);
/// Resolved names kept; beyond it the cache is emptied.
pub const RESOLVED_NAMES: usize = 4096;
/// Addresses of one name that are used; the rest is ignored.
pub const ADDRESSES: usize = 8;
/// Header bytes of the answer of the node's proxy; a longer one is no answer.
pub const PROXY_HEAD: usize = 16 * 1024;
/// Upstream hosts whose TLS sessions are remembered for a shorter next handshake; the oldest goes.
pub const UPSTREAM_SESSIONS: usize = 1024;
/// Idle upstream connections kept per sandbox and host. Protects the worker's memory and open files; the next one is
/// closed. Fewer than a client keeps busy would mean a new upstream connection for almost every request.
pub const POOL_IDLE: usize = 64;
/// How long they are kept.
pub const POOL_TIME: Duration = Duration::from_secs(60);

/// Audit events on their way to the warden. Beyond it requests wait: nothing passes unrecorded.
pub const AUDIT_QUEUE: usize = 1024;
/// How long the warden lets decisions gather in the link before it writes them: one wake-up for all of them.
pub const AUDIT_GATHER: Duration = Duration::from_millis(1);
/// Bytes of a sandbox's audit lines that are written together at most; they are in the warden's memory until then.
pub const AUDIT_HELD: usize = 64 * 1024;
/// Longest path and longest reason of a refusal written to the audit log, bytes; the rest is cut off.
pub const AUDIT_PATH: usize = 2048;
/// How long the operator's log keeps quiet about a fault that a sandbox can repeat at will.
pub const LOG_QUIET: Duration = Duration::from_secs(60);
/// Sandboxes that ended and whose last lines may still come from the worker.
pub const DEPARTED: usize = 64;
/// How often a log that could not be written is tried again.
pub const AUDIT_RETRY: Duration = Duration::from_secs(1);
/// Records after which an audit log is signed; and the longest time that one is without a signature.
pub const AUDIT_HEAD_RECORDS: u64 = 1024;
/// See [`AUDIT_HEAD_RECORDS`].
pub const AUDIT_HEAD_TIME: Duration = Duration::from_secs(10);
/// How long refusals are counted before the count has its line.
pub const AUDIT_WINDOW: Duration = Duration::from_secs(10);
/// How often the same refusal has a line of its own within that time; then it is counted.
pub const AUDIT_REPEATS: u32 = 3;
/// Lines for refusals that a sandbox may have at once; beyond it they are counted. Protects what others should still
/// read in the files.
pub const AUDIT_DENIALS: f64 = 256.0;
/// How many more it may have with every second.
pub const AUDIT_DENIALS_PER_SECOND: f64 = 2.0;
/// Different refusals that are remembered within [`AUDIT_WINDOW`]; the others are counted together.
pub const AUDIT_DENIAL_KINDS: usize = 512;
/// Messages from the worker that wait for the warden; beyond it the worker waits.
pub const LINK_QUEUE: usize = 1024;
/// How long the warden waits for the worker to take a message; the worker is then ended and started again.
pub const LINK_TIME: Duration = Duration::from_secs(2);

/// Questions of one sandbox for the program behind a connection that may wait; the next one has no answer, and its
/// connection is refused.
pub const PROGRAM_QUESTIONS: usize = 64;
/// How long a connection waits for its program; it is refused.
pub const PROGRAM_TIME: Duration = Duration::from_secs(2);
/// How long looking through a sandbox's open files may take; its connection is refused.
pub const PROGRAM_SCAN: Duration = Duration::from_millis(500);
/// Processes that may hold one connection, and ancestors that one of them may have; beyond it the connection is refused.
pub const PROGRAM_PROCESSES: usize = 32;
/// The longest command line and environment that is read of a process, bytes; what stands behind it is not seen.
pub const PROGRAM_WORDS: u64 = 64 * 1024;
/// The largest executable that is hashed; a connection of a larger one is refused.
pub const PROGRAM_BYTES: u64 = 512 * 1024 * 1024;
/// The largest script that is hashed; a larger one is not known by its path.
pub const SCRIPT_BYTES: u64 = 16 * 1024 * 1024;
/// Programs of one sandbox whose first hash is kept; a connection of one more is refused.
pub const PROGRAM_PINS: usize = 4096;
/// Control groups of one sandbox that are looked through: its own, and those of containers that share its network.
pub const PROGRAM_CGROUPS: usize = 64;
/// A search that takes more of a processor than this is followed by a rest of the same length, so that a sandbox cannot
/// have the router work for it without a pause.
pub const PROGRAM_REST: Duration = Duration::from_millis(5);

/// How long a changed policy file must be quiet before it is read, so that one write is read once and whole.
pub const SETTLE: Duration = Duration::from_millis(8);
/// How long a file that is written without a pause is waited for.
pub const SETTLE_MOST: Duration = Duration::from_millis(20);
/// Changes of files that wait to be looked at; beyond it all files are looked at.
pub const CHANGES: usize = 256;
/// The longest file with a user and a password; what is behind it is not read.
pub const SECRET_BYTES: u64 = 4096;
/// The longest policy file.
pub const POLICY_BYTES: u64 = 1024 * 1024;

/// The first pause before a worker that died young is started again; doubled each time.
pub const RESTART_PAUSE: Duration = Duration::from_millis(20);
/// The longest such pause.
pub const RESTART_PAUSE_MOST: Duration = Duration::from_secs(2);
/// A worker that lived this long is started again at once.
pub const RESTART_GROWN: Duration = Duration::from_secs(5);
/// How long a new worker may take to confine itself.
pub const START_TIME: Duration = Duration::from_secs(10);
/// How long connections may go on after SIGTERM.
pub const DRAIN: Duration = Duration::from_secs(2);
/// How long a client of the router's socket may take for its request, and to take its answer.
pub const CLIENT_TIME: Duration = Duration::from_secs(2);
/// How often a sandbox that outlived the last router and could not be served is tried again.
pub const RESUME_PAUSE: Duration = Duration::from_secs(5);
/// How often the worker tells the number of open connections, when it changed.
pub const GAUGE_TIME: Duration = Duration::from_millis(100);

/// Longest body of a call to a model, bytes. Owner: a request. Outcome: 413.
pub const MODEL_BODY: usize = 10 * 1024 * 1024;

/// Bytes of the calls of one sandbox that are held at once. Owner: a sandbox. Outcome: 429.
pub const MODEL_BYTES_PER_BOX: usize = 4 * MODEL_BODY;

/// The same of all sandboxes. Owner: the node. Outcome: 429.
pub const MODEL_BYTES: usize = 16 * MODEL_BODY;

/// Threads that look at long bodies. Owner: the node. Outcome: the next body waits.
pub const MODEL_THREADS: usize = 2;

/// Most texts of a call that services look into for names. Owner: a request. Outcome: 413.
pub const NER_TEXTS: usize = 2048;

/// Bodies up to this are looked at in the event loop; longer ones on a thread of their own, so that nobody else waits.
pub const MODEL_INLINE: usize = 256 * 1024;

/// Longest answer of a model that comes whole, bytes. Owner: a request. Outcome: 502.
pub const MODEL_ANSWER: usize = 32 * 1024 * 1024;

/// Longest body of a model server's error that is read, bytes. Owner: a request. Outcome: the next of the chain.
pub const MODEL_ERROR: usize = 64 * 1024;

/// How long a model's stream may be silent. Owner: a request. Outcome: the stream ends with an error.
pub const MODEL_IDLE: Duration = Duration::from_secs(120);

/// Failures in a row after which a provider is left alone. Owner: the node. Outcome: the next of the chain.
pub const MODEL_FAILURES: u32 = 5;

/// How long it is left alone.
pub const MODEL_REST: Duration = Duration::from_secs(15);

/// Longest pause before a provider is asked again. Owner: a request. Outcome: the next of the chain.
pub const MODEL_PAUSE: Duration = Duration::from_secs(5);

/// Tokens that are reserved for an answer whose request sets no limit.
pub const MODEL_TOKENS: u64 = 4096;

/// Answers whose labels are kept. Owner: a sandbox. Outcome: the oldest is forgotten.
pub const MODEL_SAYINGS: usize = 4096;
