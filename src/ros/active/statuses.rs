//! What `/diagnostics` is told of cameras, shadow copies and what is injected.

use std::time::Instant;

use crate::pipeline::FrameCounters;
use crate::ros::diagnostics::{self, Level, Status};
use crate::ros::injection;
use crate::ros::worker::{Shared, lock};

use super::Configured;

impl Configured {
    /// What shadow copies found again; `None` where there are none.
    pub(super) fn robustness_status(&self, camera: usize, shared: &Shared) -> Option<Status> {
        let probed = &self.live.config.corruption.shadow;
        let (input, state) = (self.inputs.get(camera)?, shared.camera(camera)?);
        let profile = self.profile.as_deref();
        let of = |probes| {
            diagnostics::robustness(&input.config.name, probes, probed, profile, &self.info.class_names)
        };
        (!probed.is_empty()).then(|| of(&state.probes))
    }

    /// What is injected now, and what shadow copies cost.
    pub(super) fn injection_status(&self, shared: &Shared) -> Status {
        let mut status = Status::new("injection");
        let mut any = false;
        for (camera, input) in self.inputs.iter().enumerate() {
            let injected = shared.camera(camera).map(|state| injection::describe(&state.injected));
            let injected = injected.unwrap_or_default();
            status.value(&format!("injected.{}", input.config.name), &injected);
            any |= !injected.is_empty();
        }
        match &self.live.injection {
            Some(injection) => {
                let state = if any { "INJECTING" } else { "armed, injecting nothing now" };
                status.report(Level::Warn, format!("{state}: {}", injection.describe()));
            }
            None => status.report(Level::Ok, "off"),
        }
        status.value("armed", self.live.injection.is_some());
        status.value("seed", self.live.config.corruption.options.seed);
        let shadow = *lock(&shared.shadow);
        status.value("shadow", injection::describe(&self.live.config.corruption.shadow));
        status.value("shadow_copies", shadow.runs);
        status.value("shadow_skipped", shadow.skipped);
        status.value("shadow_share", format!("{:.4}", shadow.share));
        status
    }

    pub(super) fn input_status(
        &mut self,
        camera: usize,
        shared: &Shared,
        now: Instant,
        counters: FrameCounters,
    ) -> Status {
        let before = self.reported.get(camera).copied().unwrap_or_default();
        let stale_after = self.live.config.stale_after;
        let Some(input) = self.inputs.get_mut(camera) else { return Status::new("input") };
        let mut status = Status::new(&format!("input {}", input.config.name));
        let rate_hz = input.rate_hz(now);
        status.report(Level::Ok, format!("{rate_hz:.1} Hz"));
        for complaint in input.complaints() {
            status.report(Level::Error, complaint.as_str());
        }
        let silence = input.silence(now).unwrap_or_default();
        if silence > stale_after {
            let what = match (input.publisher_count(), input.has_received()) {
                (0, _) => format!("nobody publishes {}", input.topic),
                (_, true) => format!("no frame on {}", input.topic),
                (_, false) => format!("no frame yet on {}", input.topic),
            };
            status.report(Level::Error, format!("stale: {what} for {:.1} s", silence.as_secs_f64()));
        }
        let (last_rejection, stamp_jumps, age_ns) = shared
            .camera(camera)
            .map(|state| (state.last_rejection.clone(), state.stamp_jumps, state.last_age_ns))
            .unwrap_or_default();
        let useless = counters.processed == before.processed;
        let level = if useless { Level::Error } else { Level::Warn };
        let rejected = counters.rejected - before.rejected;
        if rejected > 0 {
            let reason = last_rejection.as_deref().unwrap_or("no reason known");
            status.report(level, format!("{rejected} frame(s) rejected: {reason}"));
        }
        let stale = counters.stale - before.stale;
        let age_s = age_ns as f64 / 1e9;
        if stale > 0 {
            status.report(
                level,
                format!("{stale} frame(s) older than max_age_ms when their turn came, the last by its stamp {age_s:.1} s: the camera's clock is not the node's (use_sim_time?), or frames come late"),
            );
        } else if age_s < -1.0 {
            status.report(Level::Warn, format!("stamps are {:.1} s ahead of the node's clock", -age_s));
        }
        status.value("topic", &input.topic);
        status.value("transport", input.config.transport.type_name());
        status.value("qos", input.request().describe());
        status.value("publishers", input.publisher_count());
        status.value("rate_hz", format!("{rate_hz:.2}"));
        status.value("silence_s", format!("{:.2}", silence.as_secs_f64()));
        status.value("age_ms", format!("{:.1}", age_s * 1e3));
        diagnostics::counters(&mut status, counters);
        status.value("stamp_jumps", stamp_jumps);
        status.value("repeated", input.repeated());
        status.value("last_rejection", last_rejection.unwrap_or_default());
        status
    }
}
