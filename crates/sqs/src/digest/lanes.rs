//! MD5 of several texts at once (RFC 1321, section 3). Each step of it needs the one before, so that a processor which could
//! do four at a time idles; here the texts of a batch keep it busy, each in its own lane of one vector.

/// Texts at once: a batch of ten takes two turns. More would not fit into the vectors of every processor.
pub(super) const LANES: usize = 5;

const BLOCK: usize = 64;

/// By how much each of four steps in a row turns, in the four rounds.
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// `floor(2^32 * abs(sin(n + 1)))`.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

type Lanes = [u32; LANES];

/// The digests of texts, which cost the least where they are of one length.
pub(super) fn digests(texts: [&[u8]; LANES]) -> [[u8; 16]; LANES] {
    let blocks = texts.map(|text| (text.len() + 8) / BLOCK + 1);
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476].map(|word| [word; LANES]);
    let mut digests = [[0; 16]; LANES];
    for number in 0..blocks.into_iter().max().unwrap_or(0) {
        let mut words = [[0; LANES]; 16];
        for (lane, text) in texts.iter().enumerate() {
            // What a lane computes beyond its end is not looked at.
            if number < blocks[lane] {
                load(&mut words, lane, &block(text, number, blocks[lane]));
            }
        }
        compress(&mut state, &words);
        for (lane, digest) in digests.iter_mut().enumerate() {
            if number + 1 == blocks[lane] {
                for (bytes, word) in digest.chunks_exact_mut(4).zip(&state) {
                    bytes.copy_from_slice(&word[lane].to_le_bytes());
                }
            }
        }
    }
    digests
}

/// One of the `count` blocks of a text: behind its end there is one bit, and at the very end its length in bits.
fn block(text: &[u8], number: usize, count: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let begin = number * BLOCK;
    if let Some(whole) = text.get(begin..begin + BLOCK) {
        block.copy_from_slice(whole);
        return block;
    }
    if let Some(rest) = text.get(begin..) {
        block[..rest.len()].copy_from_slice(rest);
        block[rest.len()] = 0x80;
    }
    if number + 1 == count {
        block[BLOCK - 8..].copy_from_slice(&(text.len() as u64 * 8).to_le_bytes());
    }
    block
}

fn load(words: &mut [Lanes; 16], lane: usize, block: &[u8; BLOCK]) {
    for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        word[lane] = u32::from_le_bytes(*bytes);
    }
}

fn compress(state: &mut [Lanes; 4], words: &[Lanes; 16]) {
    let mut mixed = *state;
    mixed = round(mixed, words, 0, |place| place, |b, c, d| d ^ (b & (c ^ d)));
    mixed = round(mixed, words, 1, |place| 5 * place + 1, |b, c, d| c ^ (d & (b ^ c)));
    mixed = round(mixed, words, 2, |place| 3 * place + 5, |b, c, d| b ^ c ^ d);
    mixed = round(mixed, words, 3, |place| 7 * place, |b, c, d| c ^ (b | !d));
    for (word, more) in state.iter_mut().zip(mixed) {
        *word = std::array::from_fn(|lane| word[lane].wrapping_add(more[lane]));
    }
}

/// Sixteen steps. Inlined, so that what differs between the rounds is known when it is compiled.
#[inline(always)]
fn round(
    mut mixed: [Lanes; 4],
    words: &[Lanes; 16],
    round: usize,
    word_of: impl Fn(usize) -> usize,
    mix: impl Fn(u32, u32, u32) -> u32,
) -> [Lanes; 4] {
    for four in 0..4 {
        for (step, turn) in TURNS[round].into_iter().enumerate() {
            let place = 4 * four + step;
            let [a, b, c, d] = mixed;
            let (word, sine) = (words[word_of(place) % 16], SINES[16 * round + place]);
            let sum: Lanes = std::array::from_fn(|lane| {
                let mixed = mix(b[lane], c[lane], d[lane]);
                a[lane].wrapping_add(mixed).wrapping_add(sine).wrapping_add(word[lane])
            });
            mixed = [d, std::array::from_fn(|lane| sum[lane].rotate_left(turn).wrapping_add(b[lane])), b, c];
        }
    }
    mixed
}
