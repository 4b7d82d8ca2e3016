//! `memcpy` and `memmove` for x86-64 with musl.
//!
//! musl's are one string instruction, which costs as much to begin as copying some hundred bytes does. A request takes
//! hundreds of copies and most are of less: that was a fifth of the router's time. These move up to 16 bytes at once by the
//! registers that every x86-64 has. What fits into eight of them is read whole before any of it is written, so whether
//! source and target overlap does not matter; what is longer goes in blocks, from the side that is safe.

use core::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_storeu_si128};

/// Bytes of a register.
const LANE: usize = 16;
/// Bytes of a block.
const BLOCK: usize = 4 * LANE;

/// C's `memcpy`.
///
/// # Safety
/// As in C: `count` bytes can be read at `from` and written at `to`.
#[cfg(target_env = "musl")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller keeps the same promise to this function.
    unsafe { copy(to, from, count) };
    to
}

/// C's `memmove`.
///
/// # Safety
/// As in C: `count` bytes can be read at `from` and written at `to`.
#[cfg(target_env = "musl")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller keeps the same promise to this function.
    unsafe { copy(to, from, count) };
    to
}

/// # Safety
/// `count` bytes can be read at `from` and written at `to`; they may overlap.
#[inline(always)]
unsafe fn copy(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: every access lies within the `count` bytes of its side: each arm reads and writes from its beginning and
    // up to its end, in pieces no longer than the least count of the arm; `blocks` is told what it needs.
    unsafe {
        match count {
            0 => {}
            1..4 => {
                let (first, middle) = (*from, *from.add(count / 2));
                let last = *from.add(count - 1);
                *to = first;
                *to.add(count / 2) = middle;
                *to.add(count - 1) = last;
            }
            4..8 => ends::<u32>(to, from, count),
            8..LANE => ends::<u64>(to, from, count),
            LANE..=32 => lanes::<1>(to, from, count),
            33..=BLOCK => lanes::<2>(to, from, count),
            65..=128 => lanes::<4>(to, from, count),
            _ => blocks(to, from, count),
        }
    }
}

/// Copy by two pieces, one from the beginning and one up to the end, both read before either is written.
///
/// # Safety
/// `T` is a plain number, and `count` is between its size and twice that; see [`copy`].
#[inline(always)]
unsafe fn ends<T: Copy>(to: *mut u8, from: *const u8, count: usize) {
    let rest = count - size_of::<T>();
    // SAFETY: `size_of::<T>() <= count`, so the first piece lies within, and the second ends where the `count` bytes end.
    unsafe {
        let first = from.cast::<T>().read_unaligned();
        let last = from.add(rest).cast::<T>().read_unaligned();
        to.cast::<T>().write_unaligned(first);
        to.add(rest).cast::<T>().write_unaligned(last);
    }
}

/// The same with pieces of `LANES` registers.
///
/// # Safety
/// `count` is between `LANES * LANE` and twice that; see [`copy`].
#[inline(always)]
unsafe fn lanes<const LANES: usize>(to: *mut u8, from: *const u8, count: usize) {
    let rest = count - LANES * LANE;
    // SAFETY: as in [`ends`].
    unsafe {
        let first = load::<LANES>(from);
        let last = load::<LANES>(from.add(rest));
        store(to, first);
        store(to.add(rest), last);
    }
}

/// Copy block by block. What the last block of the way would find changed is read before the first one is written.
///
/// # Safety
/// `count` is more than [`BLOCK`]; see [`copy`].
#[inline(always)]
unsafe fn blocks(to: *mut u8, from: *const u8, count: usize) {
    let last = count - BLOCK;
    // Whether the target begins within the source: then the way leads backward.
    let backward = (to as usize).wrapping_sub(from as usize) < count;
    // SAFETY: offsets stay between 0 and `last`, where a whole block is left. Forward, a block is written at or before
    // the place from which it came, so what it overwrites of the source was read already; backward, at or behind it.
    unsafe {
        if backward {
            let beginning = load::<4>(from);
            let mut at = last;
            loop {
                store(to.add(at), load::<4>(from.add(at)));
                if at <= BLOCK {
                    break;
                }
                at -= BLOCK;
            }
            store(to, beginning);
        } else {
            let end = load::<4>(from.add(last));
            let mut at = 0;
            while at < last {
                store(to.add(at), load::<4>(from.add(at)));
                at += BLOCK;
            }
            store(to.add(last), end);
        }
    }
}

/// # Safety
/// `LANES` registers can be read at `from`.
#[inline(always)]
unsafe fn load<const LANES: usize>(from: *const u8) -> [__m128i; LANES] {
    // SAFETY: as promised, and these loads need no alignment.
    std::array::from_fn(|lane| unsafe { _mm_loadu_si128(from.cast::<__m128i>().add(lane)) })
}

/// # Safety
/// `LANES` registers can be written at `to`.
#[inline(always)]
unsafe fn store<const LANES: usize>(to: *mut u8, lanes: [__m128i; LANES]) {
    for (lane, register) in lanes.into_iter().enumerate() {
        // SAFETY: as promised, and these stores need no alignment.
        unsafe { _mm_storeu_si128(to.cast::<__m128i>().add(lane), register) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_copied_whole_and_nothing_beside_it_however_the_sides_overlap() {
        const ROOM: usize = 1200;
        let before: Vec<u8> = (0..ROOM).map(|at| (at * 7 % 251) as u8).collect();
        for count in 0..=400 {
            for from in [0, 1, 15, 300, 600] {
                for to in [0, 1, 2, 14, 16, 63, 299, 301, 364, 600, 799] {
                    let mut expected = before.clone();
                    expected.copy_within(from..from + count, to);
                    let mut room = before.clone();
                    let begin = room.as_mut_ptr();
                    // SAFETY: the greatest place and the greatest count are 1,199 together: both sides lie within.
                    unsafe { copy(begin.add(to), begin.add(from).cast_const(), count) };
                    assert!(room == expected, "{count} bytes from {from} to {to}");
                }
            }
        }
    }
}
