//! What was spent in the last while, in a file that outlives this process.
//!
//! The file belongs to the warden and lies where nobody else looks; it comes as a descriptor. Each unit of time has its place
//! in it, written when something is spent, so that who makes the worker crash gains nothing.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counters of one place.
pub const AXES: usize = 3;
/// Bytes of a place in the file: the unit's number and the counters.
const PLACE: usize = 8 * (1 + AXES);

/// What was spent in one unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    number: u64,
    spent: [u64; AXES],
}

/// What becomes of an amount that is more than is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It is not spent.
    Refused,
    /// It has passed already, so it counts.
    Counted,
}

/// How much may be spent in all, and what becomes of what is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The most.
    pub most: u64,
    /// Beyond it.
    pub over: Over,
}

/// A sliding window.
pub struct Window {
    file: File,
    /// Seconds of a unit.
    unit: u64,
    places: Mutex<Vec<Place>>,
}

impl Window {
    /// What the file says of the last `count` units of `unit` seconds; a file that is new or torn says less.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(file: File, unit: u64, count: usize) -> std::io::Result<Window> {
        let mut places = vec![Place::default(); count];
        let mut text = vec![0; count * PLACE];
        let mut length = 0;
        while length < text.len() {
            match file.read_at(&mut text[length..], length as u64)? {
                0 => break,
                more => length += more,
            }
        }
        for (place, bytes) in places.iter_mut().zip(text[..length].chunks_exact(PLACE)) {
            *place = Place::read(bytes);
        }
        Ok(Window {
            file,
            unit,
            places: Mutex::new(places),
        })
    }

    /// Spend `amount` at `now` (seconds since 1970).
    ///
    /// # Errors
    /// It is more than `limit` leaves; when some of it is free again, in seconds.
    pub fn spend(&self, now: u64, axis: usize, amount: u64, limit: Limit) -> Result<(), u64> {
        let mut places = self.places();
        let beyond = self.sum(&places, now, axis).saturating_add(amount) > limit.most;
        if beyond && limit.over == Over::Refused {
            return Err(self.again(&places, now, axis));
        }
        self.add(&mut places, now, axis, amount);
        if beyond {
            return Err(self.again(&places, now, axis));
        }
        Ok(())
    }

    /// What was spent by `now`.
    #[must_use]
    pub fn spent(&self, now: u64) -> [u64; AXES] {
        let places = self.places();
        std::array::from_fn(|axis| self.sum(&places, now, axis))
    }

    /// Spend `amount` whatever was spent before.
    pub fn count(&self, now: u64, axis: usize, amount: u64) {
        self.add(&mut self.places(), now, axis, amount);
    }

    /// Take back what was spent at `then` and not used.
    pub fn give_back(&self, then: u64, axis: usize, amount: u64) {
        let mut places = self.places();
        let (number, index) = self.place_of(then, places.len());
        let place = &mut places[index];
        if place.number == number {
            place.spent[axis] = place.spent[axis].saturating_sub(amount);
            self.write(index, place);
        }
    }

    fn place_of(&self, now: u64, count: usize) -> (u64, usize) {
        let number = now / self.unit;
        (number, usize::try_from(number).unwrap_or_default() % count)
    }

    fn places(&self) -> MutexGuard<'_, Vec<Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self, place: &Place, now: u64, count: usize) -> bool {
        place.number + (count as u64) > now / self.unit
    }

    fn sum(&self, places: &[Place], now: u64, axis: usize) -> u64 {
        places
            .iter()
            .filter(|place| self.counts(place, now, places.len()))
            .fold(0, |sum, place| sum.saturating_add(place.spent[axis]))
    }

    fn add(&self, places: &mut [Place], now: u64, axis: usize, amount: u64) {
        let (number, index) = self.place_of(now, places.len());
        let place = &mut places[index];
        if place.number != number {
            *place = Place {
                number,
                spent: [0; AXES],
            };
        }
        place.spent[axis] = place.spent[axis].saturating_add(amount);
        self.write(index, place);
    }

    fn write(&self, index: usize, place: &Place) {
        let written = self
            .file
            .write_all_at(&place.written(), (index * PLACE) as u64);
        if let Err(error) = written {
            super::log(&format!("a budget cannot be kept: {error}"));
        }
    }

    fn again(&self, places: &[Place], now: u64, axis: usize) -> u64 {
        let oldest = places
            .iter()
            .filter(|place| place.spent[axis] > 0 && self.counts(place, now, places.len()))
            .map(|place| place.number)
            .min()
            .unwrap_or(now / self.unit);
        ((oldest + places.len() as u64) * self.unit)
            .saturating_sub(now)
            .max(1)
    }
}

impl Place {
    fn read(bytes: &[u8]) -> Place {
        let mut words = bytes.chunks_exact(8).map(|word| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            u64::from_le_bytes(bytes)
        });
        let mut next = || words.next().unwrap_or_default();
        Place {
            number: next(),
            spent: std::array::from_fn(|_| next()),
        }
    }

    fn written(&self) -> [u8; PLACE] {
        let mut bytes = [0; PLACE];
        let words = std::iter::once(self.number).chain(self.spent);
        for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}
