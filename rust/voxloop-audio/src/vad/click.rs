//! Telling a click (a switch, a broken line) from a voice.
//!
//! The network takes a click without high frequencies, as a telephone passes it on, for the start of
//! a voice, and believes so for frames after. A click holds its energy in a few milliseconds and is
//! over then; the pulses of the lowest voice follow each other within the window.

use super::NETWORK_FRAME;
use super::pair::WINDOW;

/// Samples that hold a click: 4 ms at 16 kHz, what is left of it after a telephone's filters.
const WIDTH: usize = 64;
/// Part of the window's energy in them.
const PART: f32 = 0.9;

/// Whether nearly all of the window's energy lies in one place before its newest frame: a voice that
/// begins in that one looks the same.
pub(super) fn is_click(window: &[f32; WINDOW]) -> bool {
    let (blocks, _) = window.as_chunks::<{ WIDTH / 2 }>();
    let energies: Vec<f32> = blocks.iter().map(|b| b.iter().map(|v| v * v).sum()).collect();
    let all: f32 = energies.iter().sum();
    // Two neighbours hold any stretch of half their length; the next one more, what rings after it.
    let over = energies.len() - NETWORK_FRAME / (WIDTH / 2);
    energies[..over].windows(3).any(|near| near.iter().sum::<f32>() > PART * all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulses_of_a_low_voice_are_no_click() {
        for (place, over) in [(0, true), (5, true), (400, true), (520, false), (767, false)] {
            let mut window = [1e-4; WINDOW];
            window[place] = 0.5;
            assert_eq!(is_click(&window), over, "{place}");
        }
        // 60 Hz.
        let pulses = std::array::from_fn(|at| if at % 266 < 8 { 0.5 } else { 0.0 });
        assert!(!is_click(&pulses));
        assert!(!is_click(&[0.0; WINDOW]), "silence");
        assert!(!is_click(&[0.1; WINDOW]));
    }
}
