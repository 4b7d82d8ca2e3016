//! The terminal: taken as a whole, and given back however this ends.

use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::board::{Board, Look};
use super::picture;

/// How soon a signal is seen.
const ATTENTION: Duration = Duration::from_millis(100);
/// Rows that a page key moves.
const PAGE: usize = 10;

/// Show the board until a key or a signal ends it.
pub fn run(interval: Duration, look: impl Fn() -> Look) -> anyhow::Result<()> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block()?;
    let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let terminal = ratatui::try_init()?;
    let shown = show(terminal, interval, look, &signals);
    ratatui::try_restore()?;
    shown
}

fn show(
    mut terminal: DefaultTerminal,
    interval: Duration,
    look: impl Fn() -> Look,
    signals: &SignalFd,
) -> anyhow::Result<()> {
    let mut board = Board::default();
    let mut next = Instant::now();
    loop {
        let now = Instant::now();
        if now >= next {
            board.take(look());
            next = now + interval;
        }
        terminal.draw(|frame| picture::draw(frame, &board))?;
        let wait = next
            .saturating_duration_since(Instant::now())
            .min(ATTENTION);
        if event::poll(wait)?
            && let Event::Key(key) = event::read()?
            && press(&mut board, key)
        {
            return Ok(());
        }
        if signals.read_signal()?.is_some() {
            return Ok(());
        }
    }
}

/// Do what a key says. Whether that is to end.
fn press(board: &mut Board, key: KeyEvent) -> bool {
    if key.kind == KeyEventKind::Release {
        return false;
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return true,
        KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
        KeyCode::Char('s') => board.reorder(),
        KeyCode::Down | KeyCode::Char('j') => board.scroll(true, 1),
        KeyCode::Up | KeyCode::Char('k') => board.scroll(false, 1),
        KeyCode::PageDown => board.scroll(true, PAGE),
        KeyCode::PageUp => board.scroll(false, PAGE),
        _ => {}
    }
    false
}
