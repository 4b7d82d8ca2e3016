//! Sets of bytes.

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    /// Every byte.
    pub const ALL: ByteSet = ByteSet([u64::MAX; 4]);
    const NONE: ByteSet = ByteSet([0; 4]);

    /// One byte.
    pub fn of(byte: u8) -> ByteSet {
        let mut set = ByteSet::NONE;
        set.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
        set
    }

    /// Every byte but this one.
    pub fn but(byte: u8) -> ByteSet {
        let mut set = ByteSet::ALL;
        set.0[usize::from(byte >> 6)] &= !(1 << (byte & 63));
        set
    }

    /// The bytes that `wanted` takes.
    pub fn that(wanted: impl Fn(u8) -> bool) -> ByteSet {
        let mut set = ByteSet::NONE;
        for byte in (0..=u8::MAX).filter(|byte| wanted(*byte)) {
            set.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
        set
    }

    pub fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] & (1 << (byte & 63)) != 0
    }

    /// The only byte in it, if it is one.
    pub fn only(&self) -> Option<u8> {
        let count: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        if count != 1 {
            return None;
        }
        (0..=u8::MAX).find(|byte| self.has(*byte))
    }
}

/// One byte of each group that no set tells apart.
pub(super) fn representatives<'a>(sets: impl Iterator<Item = &'a ByteSet>) -> Vec<u8> {
    let mut group = [0u8; 256];
    let mut groups = 1usize;
    let mut seen: Vec<ByteSet> = Vec::new();
    for set in sets {
        if groups == 256 {
            break;
        }
        if *set == ByteSet::ALL || seen.contains(set) {
            continue;
        }
        seen.push(*set);
        // The members of a group that the set takes become a group of their own, unless they are all of it.
        let mut count = [(0u16, 0u16); 256];
        for byte in 0..=u8::MAX {
            let of = &mut count[usize::from(group[usize::from(byte)])];
            of.0 += 1;
            of.1 += u16::from(set.has(byte));
        }
        let mut moved = [0u8; 256];
        let before = groups;
        for (moved, (all, taken)) in moved.iter_mut().zip(count).take(before) {
            if taken > 0 && taken < all {
                *moved = u8::try_from(groups).unwrap_or(u8::MAX);
                groups += 1;
            }
        }
        for byte in 0..=u8::MAX {
            let of = &mut group[usize::from(byte)];
            let target = moved[usize::from(*of)];
            if target != 0 && set.has(byte) {
                *of = target;
            }
        }
    }
    let mut first = vec![None; groups];
    for byte in 0..=u8::MAX {
        first[usize::from(group[usize::from(byte)])].get_or_insert(byte);
    }
    first.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_no_set_tells_apart_have_one_representative() {
        assert_eq!(representatives([].iter()).len(), 1);
        let (a, b) = (ByteSet::of(b'a'), ByteSet::of(b'b'));
        let lower = ByteSet::that(|byte| byte.is_ascii_lowercase());
        assert_eq!(representatives([a, b, a, lower].iter()).len(), 4);
        let each: Vec<ByteSet> = (0..=u8::MAX).map(ByteSet::of).collect();
        assert_eq!(representatives(each.iter()).len(), 256);
    }

    #[test]
    fn a_set_knows_its_bytes() {
        let set = ByteSet::but(b'/');
        assert!(set.has(0) && set.has(255) && !set.has(b'/'));
        assert_eq!(ByteSet::of(200).only(), Some(200));
        assert_eq!(set.only(), None);
    }
}
