//! An allocator that counts what the current thread asks for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counted.
pub struct Counting;

/// How often this thread has asked for memory.
pub fn count() -> u64 {
    COUNT.with(Cell::get)
}

fn one_more() {
    // A thread that is ending has no counter any more, and is not the one that asks for it.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator with the caller's own arguments, so that the contract of
// `GlobalAlloc` is the caller's and the system's to keep; the counter is a `Cell` of the thread, has no destructor and
// asks for no memory itself.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        one_more();
        // SAFETY: `layout` is the caller's, who promises that its size is not zero.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `System` by `alloc` or `realloc` above, with this `layout`, as the caller promises.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        one_more();
        // SAFETY: as for `dealloc`; `new_size` is not zero, as the caller promises.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}
