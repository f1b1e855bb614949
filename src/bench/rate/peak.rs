//! The highest rate at which few frames are lost, by halving.
//!
//! After NVIDIA's `ros2_benchmark` (its README: "the maximum publisher rate with less than 5% drops"; its default settings:
//! loss of at most 0.05, halving first, then steps with the whole duration).

/// Largest share of the frames that may be lost.
pub const ACCEPTABLE_LOSS: f64 = 0.05;

/// Where to search, Hz.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    /// Lowest rate that is tried.
    pub(super) lowest_hz: f64,
    /// Highest rate that is tried.
    pub(super) highest_hz: f64,
    /// Where to begin: a guess, the search widens it.
    pub(super) guess_hz: f64,
    /// The search ends when it knows the peak to this share of it.
    pub(super) precision: f64,
}

/// How long a trial is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// As long as a result needs.
    Full,
    /// Just long enough to know which way to go.
    Probe,
}

/// Where a search ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Found<T> {
    /// The highest rate that a full trial held, and that trial.
    Peak {
        /// The rate, Hz.
        rate_hz: f64,
        /// What was measured at it.
        trial: T,
        /// Whether the search stopped at [`Bounds::highest_hz`], so that the peak may lie above.
        is_limit: bool,
    },
    /// Even the lowest rate loses too many frames; its trial.
    None {
        /// What was measured at the lowest rate.
        trial: T,
    },
}

/// Between a full trial that failed and the next one.
const STEP_DOWN: f64 = 0.97;

/// Searches for the highest rate whose loss, told by `loss`, is at most [`ACCEPTABLE_LOSS`].
///
/// Probes double from the guess until one fails, halve the gap until it is small, and a full trial has to hold the
/// result; where it does not, the rate goes down in steps of 3 % until one does.
///
/// # Errors
/// Those of `trial`.
pub(super) fn search<T, E>(
    bounds: Bounds,
    loss: impl Fn(&T) -> f64,
    mut trial: impl FnMut(f64, Length) -> Result<T, E>,
) -> Result<Found<T>, E> {
    let Bounds { lowest_hz, highest_hz, .. } = bounds;
    let holds = |trial: &T| loss(trial) <= ACCEPTABLE_LOSS;
    let (mut low, mut high) = (lowest_hz, None);
    let mut next = bounds.guess_hz.clamp(lowest_hz, highest_hz);
    loop {
        if holds(&trial(next, Length::Probe)?) {
            low = next;
            if next >= highest_hz {
                break;
            }
        } else {
            high = Some(next);
            if next <= lowest_hz {
                break;
            }
        }
        next = match high {
            None => (next * 2.0).min(highest_hz),
            Some(high) if high - low <= bounds.precision * high => break,
            Some(high) => f64::midpoint(low, high),
        };
    }
    let mut rate_hz = low;
    loop {
        let full = trial(rate_hz, Length::Full)?;
        if holds(&full) {
            return Ok(Found::Peak { rate_hz, trial: full, is_limit: rate_hz >= highest_hz });
        }
        if rate_hz <= lowest_hz {
            return Ok(Found::None { trial: full });
        }
        rate_hz = (rate_hz * STEP_DOWN).max(lowest_hz);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a worker with one slot for the latest frame loses, on a clock that only counts: frames come every
    /// `1 / rate_hz`, each takes `1 / capacity_hz`.
    fn simulated(capacity_hz: f64, rate_hz: f64, seconds: f64) -> (u64, u64) {
        let (period, service) = (1.0 / rate_hz, 1.0 / capacity_hz);
        let sent = (seconds * rate_hz).round() as u64;
        let (mut free_at, mut slot, mut lost) = (0.0, None::<f64>, 0);
        for frame in 0..sent {
            let now = frame as f64 * period;
            if let Some(arrived) = slot
                && free_at <= now
            {
                free_at = f64::max(free_at, arrived) + service;
                slot = None;
            }
            if slot.replace(now).is_some() {
                lost += 1;
            }
        }
        (sent, lost)
    }

    fn bounds(guess_hz: f64) -> Bounds {
        Bounds { lowest_hz: 1.0, highest_hz: 1000.0, guess_hz, precision: 0.01 }
    }

    fn share((sent, lost): &(u64, u64)) -> f64 {
        *lost as f64 / *sent as f64
    }

    #[test]
    fn the_peak_of_a_server_of_known_capacity_is_found_from_any_guess() {
        for capacity_hz in [3.0, 28.7, 61.0, 440.0] {
            for guess_hz in [1.0, 30.0, 999.0] {
                let mut trials = 0;
                let found = search(bounds(guess_hz), share, |rate_hz, _| {
                    trials += 1;
                    Ok::<_, ()>(simulated(capacity_hz, rate_hz, 60.0))
                });
                let Ok(Found::Peak { rate_hz, trial, is_limit: false }) = found else { panic!("{found:?}") };
                // a share of 5 % may be lost, so the peak lies that much above what the server manages
                let true_peak = capacity_hz / (1.0 - ACCEPTABLE_LOSS);
                assert!((rate_hz / true_peak - 1.0).abs() < 0.025, "{capacity_hz}: found {rate_hz}");
                assert!(share(&trial) <= ACCEPTABLE_LOSS);
                assert!(trials < 30, "{trials} trials");
            }
        }
    }

    #[test]
    fn a_server_faster_than_the_limit_is_told_as_such() {
        let found = search(bounds(50.0), share, |rate, _| Ok::<_, ()>(simulated(5000.0, rate, 5.0)));
        let Ok(Found::Peak { rate_hz, is_limit: true, .. }) = found else { panic!("{found:?}") };
        assert_eq!(rate_hz, 1000.0);
    }

    #[test]
    fn a_server_too_slow_for_the_lowest_rate_has_no_peak() {
        let found = search(bounds(50.0), share, |rate, _| Ok::<_, ()>(simulated(0.2, rate, 60.0)));
        let Ok(Found::None { trial }) = found else { panic!("{found:?}") };
        assert!(share(&trial) > 0.5);
    }

    #[test]
    fn a_result_has_to_hold_for_the_full_length() {
        // short trials flatter: a server that gets hot manages 100 Hz at first and 80 Hz for long
        let found = search(bounds(50.0), share, |rate, length| {
            Ok::<_, ()>(simulated(if length == Length::Full { 80.0 } else { 100.0 }, rate, 60.0))
        });
        let Ok(Found::Peak { rate_hz, trial, .. }) = found else { panic!("{found:?}") };
        assert!(rate_hz < 85.0 && share(&trial) <= ACCEPTABLE_LOSS, "{rate_hz}");
    }

    #[test]
    fn a_failing_trial_ends_the_search() {
        assert_eq!(search(bounds(50.0), share, |_, _| Err("broken")), Err("broken"));
    }
}
