//! What is injected, from when on; and when there is time for a shadow copy.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::corruption::{Campaign, Step};

use super::configure::locate;
use super::parameters::{CorruptionConfig, InjectSource};

/// An armed injection.
#[derive(Debug, Clone)]
pub(crate) struct Injection {
    source: Source,
    cameras: Vec<String>,
    seed: u64,
    /// The node's clock when it was armed; a campaign begins then.
    since_ns: i64,
}

#[derive(Debug, Clone)]
enum Source {
    Steps(Vec<Step>),
    Campaign(Campaign),
}

impl Injection {
    /// Makes ready what the parameters arm; `None` if they arm nothing.
    ///
    /// # Errors
    /// The campaign file cannot be used.
    pub(crate) fn new(config: &CorruptionConfig, now_ns: i64) -> Result<Option<Self>, String> {
        let Some(inject) = &config.inject else { return Ok(None) };
        let source = match &inject.source {
            InjectSource::Steps(steps) => Source::Steps(steps.clone()),
            InjectSource::Campaign(path) => Source::Campaign(load(path)?),
        };
        Ok(Some(Self {
            source,
            cameras: inject.cameras.clone(),
            seed: config.options.seed,
            since_ns: now_ns,
        }))
    }

    /// What is done to a frame of `camera` now, into `out` (emptied first).
    pub(crate) fn steps(&self, camera: &str, now_ns: i64, out: &mut Vec<Step>) {
        out.clear();
        if !self.cameras.is_empty() && !self.cameras.iter().any(|name| name == camera) {
            return;
        }
        match &self.source {
            Source::Steps(steps) => out.extend_from_slice(steps),
            Source::Campaign(campaign) => {
                let t_s = now_ns.saturating_sub(self.since_ns) as f64 / 1e9;
                campaign.steps_at(t_s, camera, self.seed, out);
            }
        }
    }

    /// In words, for diagnostics.
    pub(crate) fn describe(&self) -> String {
        let what = match &self.source {
            Source::Steps(steps) => describe(steps),
            Source::Campaign(campaign) => format!("campaign '{}'", campaign.name),
        };
        let whom = if self.cameras.is_empty() { "all cameras".to_owned() } else { self.cameras.join(", ") };
        format!("{what} on {whom}")
    }
}

fn load(path: &Path) -> Result<Campaign, String> {
    Campaign::load(&locate(path)).map_err(|error| format!("parameter 'inject.campaign': {error}"))
}

/// A list of steps as it is written in parameters.
pub(crate) fn describe(steps: &[Step]) -> String {
    steps.iter().map(Step::to_string).collect::<Vec<_>>().join(" + ")
}

/// Decides whether a shadow copy may be processed now.
///
/// Two bounds, both from `shadow.max_share`: of all time, copies take at most that share; and a copy is not begun if, by
/// what copies took and how often frames come, the next frame would have to wait for more than that share of its
/// camera's period.
#[derive(Debug)]
pub(crate) struct ShadowBudget {
    since: Instant,
    spent: Duration,
    /// Moving average of what a copy takes; unknown before the first.
    cost: Option<Duration>,
    arrivals: Vec<Arrivals>,
    pub(crate) runs: u64,
    pub(crate) skipped: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Arrivals {
    last: Option<Instant>,
    period: Option<Duration>,
}

impl ShadowBudget {
    pub(crate) fn new(cameras: usize, now: Instant) -> Self {
        let arrivals = vec![Arrivals::default(); cameras];
        Self { since: now, spent: Duration::ZERO, cost: None, arrivals, runs: 0, skipped: 0 }
    }

    /// A frame of `camera` arrived at `at`.
    pub(crate) fn arrived(&mut self, camera: usize, at: Instant) {
        let Some(arrivals) = self.arrivals.get_mut(camera) else { return };
        if let Some(last) = arrivals.last {
            let gap = at.saturating_duration_since(last);
            arrivals.period = Some(arrivals.period.map_or(gap, |period| (period * 7 + gap) / 8));
        }
        arrivals.last = Some(at);
    }

    /// A copy took `cost`.
    pub(crate) fn ran(&mut self, cost: Duration) {
        self.runs += 1;
        self.spent += cost;
        self.cost = Some(self.cost.map_or(cost, |average| (average * 7 + cost) / 8));
    }

    /// Whether a copy may be begun; counts those that may not. The first copy is let through, to learn its cost.
    pub(crate) fn allows(&mut self, now: Instant, max_share: f64) -> bool {
        let allowed = max_share > 0.0 && self.within_share(now, max_share) && self.in_time(now, max_share);
        if !allowed {
            self.skipped += 1;
        }
        allowed
    }

    /// Share of the time that copies have taken so far.
    pub(crate) fn share(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.since).as_secs_f64();
        if elapsed > 0.0 { self.spent.as_secs_f64() / elapsed } else { 0.0 }
    }

    fn within_share(&self, now: Instant, max_share: f64) -> bool {
        let elapsed = now.saturating_duration_since(self.since).as_secs_f64();
        (self.spent + self.cost.unwrap_or_default()).as_secs_f64() <= max_share * elapsed
    }

    fn in_time(&self, now: Instant, max_share: f64) -> bool {
        let done = now + self.cost.unwrap_or_default();
        self.arrivals.iter().all(|arrivals| match (arrivals.last, arrivals.period) {
            // A camera that has not shown how often it delivers says nothing, and one that has fallen silent
            // (several periods overdue) is not waited for.
            (Some(last), Some(period)) => {
                let next = last + period;
                let overdue = now.saturating_duration_since(next) > period * 3;
                overdue || done.saturating_duration_since(next) <= period.mul_f64(max_share)
            }
            _ => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn copies_stay_within_their_share_of_the_time() {
        let start = Instant::now();
        let mut budget = ShadowBudget::new(1, start);
        let mut now = start;
        for frame in 0..1000_u32 {
            now = start + MS * 100 * frame;
            budget.arrived(0, now);
            if budget.allows(now + MS * 20, 0.1) {
                budget.ran(MS * 22);
            }
        }
        assert!(budget.share(now) <= 0.1 && budget.share(now) > 0.08, "{}", budget.share(now));
        assert_eq!(budget.runs + budget.skipped, 1000);
    }

    #[test]
    fn a_copy_is_not_begun_when_the_next_frame_would_wait_too_long() {
        let start = Instant::now();
        let mut budget = ShadowBudget::new(1, start);
        for frame in 0..100_u32 {
            budget.arrived(0, start + MS * 50 * frame);
        }
        budget.ran(MS * 30);
        let last = start + MS * 50 * 99;
        assert!(budget.allows(last + MS * 15, 0.1), "ends 5 ms before the next frame");
        assert!(budget.allows(last + MS * 24, 0.1), "ends 4 ms after, 5 are allowed");
        assert!(!budget.allows(last + MS * 30, 0.1), "would end 10 ms after");
        assert!(budget.allows(last + MS * 1000, 0.1), "the camera has fallen silent");
    }

    #[test]
    fn a_share_of_zero_switches_copies_off() {
        let start = Instant::now();
        assert!(!ShadowBudget::new(1, start).allows(start + MS * 5000, 0.0));
    }

    #[test]
    fn a_copy_never_runs_when_the_machine_is_busy_all_the_time() {
        let start = Instant::now();
        let mut budget = ShadowBudget::new(1, start);
        budget.ran(MS * 60);
        for frame in 0..100_u32 {
            let now = start + MS * 50 * (frame + 40);
            budget.arrived(0, now);
            assert!(frame < 2 || !budget.allows(now + MS * 45, 0.1));
        }
    }
}
