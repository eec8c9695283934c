//! Inputs out of inputs.

/// Values at which lengths and counts go wrong.
const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'0', b'9', b'\n'];

/// No input grows beyond this: parsers are to be tried by shape, not by size.
const LONGEST: usize = 64 * 1024;

/// Makes inputs, and remembers a few of them to go on from.
pub(crate) struct Mutator {
    state: u64,
    pool: Vec<Vec<u8>>,
    seeds: usize,
}

impl Mutator {
    pub(crate) fn new(seed: u64, seeds: &[Vec<u8>]) -> Self {
        let mut pool = seeds.to_vec();
        pool.push(Vec::new());
        let seeds = pool.len();
        // The generator stands still at 0.
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, pool, seeds }
    }

    /// The next input.
    pub(crate) fn next_input(&mut self) -> Vec<u8> {
        let parent = self.below(self.pool.len());
        let mut input = self.pool[parent].clone();
        // Few changes mostly, so that what a parser checks first still holds.
        let changes = 1 << self.below(4);
        for _ in 0..changes {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        self.remember(&input);
        input
    }

    /// One in sixteen takes the place of another that is no seed.
    fn remember(&mut self, input: &[u8]) {
        if self.below(16) != 0 {
            return;
        }
        if self.pool.len() < self.seeds + 64 {
            self.pool.push(input.to_vec());
        } else {
            let place = self.seeds + self.below(64);
            self.pool[place] = input.to_vec();
        }
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (from, to) = self.range(input.len());
        // Most of them keep the length, which formats with offsets in them need.
        match self.below(16) {
            0..4 if from < input.len() => input[from] ^= 1 << self.below(8),
            4..8 if from < input.len() => input[from] = EDGES[self.below(EDGES.len())],
            8..10 if from < input.len() => input[from] = self.byte(),
            10 => drop(input.drain(from..to)),
            11 => {
                let copy = input[from..to].to_vec();
                let at = self.below(input.len() + 1);
                input.splice(at..at, copy);
            }
            12 => {
                let edge = EDGES[self.below(EDGES.len())];
                let length = self.below(9);
                input.splice(from..from, std::iter::repeat_n(edge, length));
            }
            13..15 => {
                // A piece of another input.
                let other = self.below(self.pool.len());
                let (start, end) = self.range(self.pool[other].len());
                let piece = self.pool[other][start..end].to_vec();
                input.splice(from..to, piece);
            }
            _ if self.below(8) == 0 => input.truncate(to),
            _ => input.push(self.byte()),
        }
    }

    /// Mostly a short one.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length + 1);
        let most = if self.below(8) == 0 { length - from } else { (length - from).min(16) };
        (from, from + self.below(most + 1))
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).expect("a length fits");
        usize::try_from(self.next() % bound).expect("below a length")
    }

    /// George Marsaglia, "Xorshift RNGs".
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}
