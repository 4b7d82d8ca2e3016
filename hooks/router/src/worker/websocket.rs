//! A WebSocket whose client's messages are decided one by one, each by the policy as it is at that moment.
//!
//! What comes from the server passes unread, but frame by frame, so that a refusal can be told between two frames.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame, FrameHeader};

use super::body::Revoked;
use super::carry::Activity;
use super::credentials;
use super::event;
use super::frames::{Broken, Frames, write};
use super::http::Inspected;
use super::inspect::frames::{Part, Texts};
use super::message::Refused;
use super::sink::{Gone, Record};
use super::wanted::Wanted;
use crate::limits;

type Io = TokioIo<Upgraded>;
/// The close that the client is to be sent, once there is one.
type Close = watch::Sender<Option<CloseFrame>>;

/// How long a server's frame that is under way may take to its end when the policy changed; then the close is not told.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// An upgraded connection.
pub struct Socket {
    /// Where it stands.
    pub connection: Arc<Inspected>,
    /// The request that it was.
    pub wanted: Arc<Wanted>,
    /// Its credentials, where it may carry any.
    pub texts: Option<credentials::Texts>,
    /// Its record.
    pub record: Record,
}

/// Why it ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    /// By us; the client is told.
    #[error("{refused}")]
    Closed {
        refused: Refused,
        /// How long the client has for its own close.
        grace: Duration,
    },
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error(transparent)]
    Unrecorded(#[from] Gone),
    #[error("nothing passed for too long")]
    Idle,
    #[error("the upgrade failed")]
    Upgrade(#[from] hyper::Error),
}

impl Ended {
    /// What the client is told.
    fn frame(&self) -> Option<CloseFrame> {
        match self {
            Ended::Closed { refused, .. } => Some(refused.frame()),
            _ => None,
        }
    }
}

impl From<Refused> for Ended {
    fn from(refused: Refused) -> Ended {
        Ended::Closed {
            refused,
            grace: limits::DRAIN_TIME,
        }
    }
}

impl Socket {
    /// Relay until one side ends, a message is refused, or the policy no longer allows the connection.
    pub async fn serve(self, client: OnUpgrade, server: OnUpgrade, revoked: Revoked) {
        if let Err(end) = self.relay(client, server, revoked).await {
            self.record.because(event::told(&end));
        }
    }

    async fn relay(
        &self,
        client: OnUpgrade,
        server: OnUpgrade,
        revoked: Revoked,
    ) -> Result<(), Ended> {
        self.record.opened().await?;
        let (client, server) = tokio::try_join!(client, server)?;
        let activity = Activity::default();
        let bytes = self.record.bytes();
        let (from_client, to_client) = tokio::io::split(TokioIo::new(client));
        let (from_server, to_server) = tokio::io::split(TokioIo::new(server));
        let from_server = Frames::new(from_server, &bytes.back, &activity);
        let mut from_client = Frames::new(from_client, &bytes.out, &activity);
        let close = Close::new(None);
        let upward = self.until_closed(&close, &mut from_client, to_server);
        let downward = self.downward(from_server, to_client, close.subscribe());
        let both = async {
            tokio::pin!(upward, downward);
            tokio::select! {
                ended = &mut upward => {
                    if let Err(Ended::Closed { grace, .. }) = &ended {
                        // Its close is on its way; what the server is sending may be slow.
                        let _ = timeout(*grace, downward).await;
                        return ended;
                    }
                    ended?;
                    downward.await
                }
                ended = &mut downward => {
                    ended?;
                    upward.await
                }
            }
        };
        tokio::pin!(both);
        tokio::select! {
            done = &mut both => done,
            () = activity.idle(limits::BODY_IDLE) => Err(Ended::Idle),
            () = revoked => {
                let ended = no_longer();
                close.send_replace(ended.frame());
                let _ = timeout(2 * LAST_WORDS, both).await;
                Err(ended)
            }
        }
    }

    /// From the client to the server, until one side ends or the connection is to be closed.
    async fn until_closed(
        &self,
        close: &Close,
        from: &mut Frames<'_, ReadHalf<Io>>,
        to: WriteHalf<Io>,
    ) -> Result<(), Ended> {
        let mut closing = close.subscribe();
        let ended = tokio::select! {
            biased;
            _ = told(&mut closing) => Err(no_longer()),
            ended = self.upward(from, to) => ended,
        };
        if let Err(ended @ Ended::Closed { grace, .. }) = &ended {
            close.send_replace(ended.frame());
            // Unread bytes would make the end a reset, which may overtake the close.
            let _ = timeout(*grace, from.discard()).await;
        }
        ended
    }

    /// From the client to the server.
    async fn upward(
        &self,
        from: &mut Frames<'_, ReadHalf<Io>>,
        mut to: WriteHalf<Io>,
    ) -> Result<(), Ended> {
        let mut texts = Texts::default();
        let mut room = None;
        while let Some((head, length)) = from.next().await? {
            match texts.head(&head, length).map_err(Refused::from)? {
                Part::Control | Part::BinaryMore => from.pass(&head, length, &mut to).await?,
                Part::BinaryBegin => {
                    self.decide_binary(length).await?;
                    from.pass(&head, length, &mut to).await?;
                }
                Part::Text => {
                    self.grow(&mut room, length)?;
                    let payload = from.take(length).await?;
                    if let Some(text) = texts.add(&head, &payload).map_err(Refused::from)? {
                        self.decide_text(&text).await?;
                        let text = self.resolved(text).await?;
                        self.send(&head, text, &mut to).await?;
                        room = None;
                    }
                }
            }
        }
        to.shutdown().await.map_err(Broken::from)?;
        Ok(())
    }

    /// Take room for `length` more bytes of a text.
    fn grow(&self, room: &mut Option<OwnedSemaphorePermit>, length: u64) -> Result<(), Ended> {
        let count = u32::try_from(length).unwrap_or(u32::MAX);
        let texts = self.connection.sandbox.texts.clone();
        let Ok(more) = texts.try_acquire_many_owned(count) else {
            return Err(Refused::crowded().into());
        };
        match room {
            Some(room) => room.merge(more),
            None => *room = Some(more),
        }
        Ok(())
    }

    /// Send on a text that may pass, in one frame with the mask that its last one had.
    async fn send(
        &self,
        head: &FrameHeader,
        text: String,
        to: &mut WriteHalf<Io>,
    ) -> Result<(), Broken> {
        let head = FrameHeader {
            is_final: true,
            opcode: OpCode::Data(Data::Text),
            ..head.clone()
        };
        let sent = write(to, Frame::from_payload(head, text.into_bytes().into())).await?;
        self.record.bytes().out.fetch_add(sent, Ordering::Relaxed);
        Ok(())
    }

    /// From the server to the client; once the connection is to be closed, a close between two frames.
    async fn downward(
        &self,
        mut from: Frames<'_, ReadHalf<Io>>,
        mut to: WriteHalf<Io>,
        mut closing: watch::Receiver<Option<CloseFrame>>,
    ) -> Result<(), Ended> {
        loop {
            tokio::select! {
                biased;
                close = told(&mut closing) => {
                    write(&mut to, Frame::close(close)).await?;
                    break;
                }
                next = from.next() => match next? {
                    Some((head, length)) => self.back(&mut from, &head, length, &mut to).await?,
                    None => break,
                },
            }
        }
        to.shutdown().await.map_err(Broken::from)?;
        Ok(())
    }

    /// One of the server's frames; without the credentials where the connection carried any.
    async fn back(
        &self,
        from: &mut Frames<'_, ReadHalf<Io>>,
        head: &FrameHeader,
        length: u64,
        to: &mut WriteHalf<Io>,
    ) -> Result<(), Ended> {
        let texts = self.texts.as_ref().filter(|texts| texts.looks_back());
        let Some(texts) = texts.filter(|_| matches!(head.opcode, OpCode::Data(_))) else {
            return Ok(from.pass(head, length, to).await?);
        };
        if length > limits::WEBSOCKET_TEXT || head.mask.is_some() {
            return Err(Refused::unseen().into());
        }
        let mut room = None;
        self.grow(&mut room, length)?;
        let clean = texts.incoming(&from.take(length).await?);
        let sent = write(to, Frame::from_payload(head.clone(), clean)).await?;
        self.record.bytes().back.fetch_add(sent, Ordering::Relaxed);
        Ok(())
    }
}

fn no_longer() -> Ended {
    Ended::Closed {
        refused: Refused::no_longer(),
        grace: LAST_WORDS,
    }
}

/// Ends when the client is to be sent a close.
async fn told(closing: &mut watch::Receiver<Option<CloseFrame>>) -> Option<CloseFrame> {
    let close = closing.wait_for(Option::is_some).await;
    close.ok().and_then(|close| close.clone())
}
