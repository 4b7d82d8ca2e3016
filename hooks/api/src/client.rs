//! The blocking client that the hook and the command line use: one connection, one request, one answer.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::approvals::{Approval, Decision, Proposal};
use crate::wire::{self, WireError};
use crate::{BoxStatus, RegisterFds, Request, Response, RouterStatus};

/// How long an answer may take. The hook has 5 s in all; a sentence of ours is better than the engine's time-out.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// A connection to the router, good for one request.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    socket: PathBuf,
}

/// What a registration gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Policy generation, from 1.
    pub generation: u64,
    /// The box's CA certificate, PEM.
    pub ca_pem: String,
}

/// Why the router gave no answer that could be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens.
    #[error("the router is not running: start it with `nemoclaw router start` (socket `{}`)", socket.display())]
    Absent {
        /// Where it was looked for.
        socket: PathBuf,
    },
    /// The socket is not for this user.
    #[error("this user may not talk to the router: run the command as root (socket `{}`)", socket.display())]
    Forbidden {
        /// The socket.
        socket: PathBuf,
    },
    /// Another fault of the connection.
    #[error("cannot reach the router (socket `{}`)", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The exchange broke off.
    #[error("the router did not answer: look at its log, or run `nemoclaw router status` (socket `{}`)", socket.display())]
    Exchange {
        /// The socket.
        socket: PathBuf,
        /// Cause.
        #[source]
        source: WireError,
    },
    /// The router refused; its own sentence.
    #[error("{message}")]
    Refused {
        /// The sentence.
        message: String,
    },
    /// An answer to another question: router and client are of different versions.
    #[error("the router gave an answer of another kind: install router and tools of one version (socket `{}`)", socket.display())]
    Unexpected {
        /// The socket.
        socket: PathBuf,
    },
}

impl Client {
    /// Connect to the router's socket.
    ///
    /// # Errors
    /// The router is absent, or the socket is not for this user.
    pub fn connect(socket: &Path) -> Result<Client, ClientError> {
        let stream = UnixStream::connect(socket).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        let socket = socket.to_path_buf();
        match stream {
            Ok(stream) => Ok(Client { stream, socket }),
            Err(source) => Err(match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    ClientError::Absent { socket }
                }
                io::ErrorKind::PermissionDenied => ClientError::Forbidden { socket },
                _ => ClientError::Connect { socket, source },
            }),
        }
    }

    /// Hand over a box. `request` is a [`Request::Register`].
    ///
    /// # Errors
    /// The router refuses or does not answer.
    pub fn register(
        self,
        request: &Request,
        descriptors: &RegisterFds,
    ) -> Result<Registration, ClientError> {
        match self.ask(request, &descriptors.wire_order())? {
            (Response::Registered { generation, ca_pem }, _) => {
                Ok(Registration { generation, ca_pem })
            }
            (_, socket) => Err(ClientError::Unexpected { socket }),
        }
    }

    /// Forget a box. An unknown name is no error.
    ///
    /// # Errors
    /// The router refuses or does not answer.
    pub fn release(self, sandbox: &str) -> Result<(), ClientError> {
        let request = Request::Release {
            sandbox: sandbox.to_owned(),
        };
        self.expect_done(&request)
    }

    /// All boxes, sorted by name.
    ///
    /// # Errors
    /// The router refuses or does not answer.
    pub fn list(self) -> Result<Vec<BoxStatus>, ClientError> {
        match self.ask(&Request::List, &[])? {
            (Response::Boxes { boxes }, _) => Ok(boxes),
            (_, socket) => Err(ClientError::Unexpected { socket }),
        }
    }

    /// The router itself.
    ///
    /// # Errors
    /// The router refuses or does not answer.
    pub fn status(self) -> Result<RouterStatus, ClientError> {
        match self.ask(&Request::Status, &[])? {
            (Response::Router(status), _) => Ok(status),
            (_, socket) => Err(ClientError::Unexpected { socket }),
        }
    }

    /// What waits for a person, and what stands.
    ///
    /// # Errors
    /// The router refuses or does not answer.
    pub fn approvals(
        self,
        sandbox: Option<&str>,
    ) -> Result<(Vec<Proposal>, Vec<Approval>), ClientError> {
        let sandbox = sandbox.map(str::to_owned);
        match self.ask(&Request::Approvals { sandbox }, &[])? {
            (
                Response::Approvals {
                    proposals,
                    approvals,
                },
                _,
            ) => Ok((proposals, approvals)),
            (_, socket) => Err(ClientError::Unexpected { socket }),
        }
    }

    /// Answer a proposal, or end an approval.
    ///
    /// # Errors
    /// There is none of this id, or the router does not answer.
    pub fn decide(self, id: &str, decision: Decision) -> Result<(), ClientError> {
        let id = id.to_owned();
        self.expect_done(&Request::Decide { id, decision })
    }

    /// Numbers about the router and its boxes, as OpenMetrics text.
    ///
    /// # Errors
    /// The router refuses or does not answer.
    pub fn metrics(self) -> Result<String, ClientError> {
        match self.ask(&Request::Metrics, &[])? {
            (Response::Metrics { text }, _) => Ok(text),
            (_, socket) => Err(ClientError::Unexpected { socket }),
        }
    }

    /// Let the router sign every audit log now.
    ///
    /// # Errors
    /// The logs cannot be written, or the router does not answer.
    pub fn seal(self) -> Result<(), ClientError> {
        self.expect_done(&Request::Seal)
    }

    /// Let the router drain and end.
    ///
    /// # Errors
    /// The router refuses or does not answer.
    pub fn stop(self) -> Result<(), ClientError> {
        self.expect_done(&Request::Stop)
    }

    fn expect_done(self, request: &Request) -> Result<(), ClientError> {
        match self.ask(request, &[])? {
            (Response::Done, _) => Ok(()),
            (_, socket) => Err(ClientError::Unexpected { socket }),
        }
    }

    fn ask(
        self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(Response, PathBuf), ClientError> {
        let Client { stream, socket } = self;
        let answer = wire::send(&stream, request, descriptors)
            .and_then(|()| wire::receive::<Response>(&stream));
        match answer {
            Ok((Response::Error { message }, _)) => Err(ClientError::Refused { message }),
            Ok((response, _)) => Ok((response, socket)),
            Err(source) => Err(ClientError::Exchange { socket, source }),
        }
    }
}
