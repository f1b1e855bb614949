//! A box that moves with constant velocity.

use nalgebra::{Matrix2, Vector2};

use crate::detector::BoundingBox;

/// Standard deviation of a detected edge's centre and size, as a share of the box's size (as in Wojke et al., "Simple
/// online and realtime tracking with a deep association metric", 2017, arXiv 1703.07402).
const MEASUREMENT: f64 = 0.05;

/// Standard deviation of the acceleration, in box sizes per second squared.
const ACCELERATION: f64 = 2.0;

/// Standard deviation of the velocity of a new track, in box sizes per second.
const FIRST_VELOCITY: f64 = 1.0;

/// Constant-velocity Kalman filter of a box's centre and size.
///
/// The eight-dimensional state of SORT (Bewley et al., 2016, arXiv 1602.00763), with size in place of area and aspect. With
/// noise that is independent for each coordinate its covariance stays block-diagonal, so it is kept as four filters of
/// position and velocity.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoxFilter {
    /// Centre x, centre y, width, height; pixels, pixels per second.
    axes: [Axis; 4],
}

#[derive(Debug, Clone, Copy)]
struct Axis {
    state: Vector2<f64>,
    covariance: Matrix2<f64>,
}

/// Centre, size, and the size that noise goes by, for each coordinate.
fn coordinates(bbox: &BoundingBox) -> [(f64, f64); 4] {
    let (width, height) = (f64::from(bbox.width()), f64::from(bbox.height()));
    let x = f64::midpoint(f64::from(bbox.x_min), f64::from(bbox.x_max));
    let y = f64::midpoint(f64::from(bbox.y_min), f64::from(bbox.y_max));
    // A pixel at least: boxes without area have noise too.
    let (along_x, along_y) = (width.max(1.0), height.max(1.0));
    [(x, along_x), (y, along_y), (width, along_x), (height, along_y)]
}

impl BoxFilter {
    /// Starts at a detected box, standing still.
    pub(super) fn new(bbox: &BoundingBox) -> Self {
        let axes = coordinates(bbox).map(|(position, size)| Axis {
            state: Vector2::new(position, 0.0),
            covariance: Matrix2::from_diagonal(&Vector2::new(
                (MEASUREMENT * size).powi(2),
                (FIRST_VELOCITY * size).powi(2),
            )),
        });
        Self { axes }
    }

    /// Moves on by `dt_s` ≥ 0 seconds (white noise acceleration: Bar-Shalom et al., "Estimation with Applications to
    /// Tracking and Navigation", 2001, 6.3.2).
    pub(super) fn predict(&mut self, dt_s: f64) {
        let bbox = self.bbox();
        let transition = Matrix2::new(1.0, dt_s, 0.0, 1.0);
        let dt2 = dt_s * dt_s;
        let shape = Matrix2::new(dt2 * dt2 / 4.0, dt2 * dt_s / 2.0, dt2 * dt_s / 2.0, dt2);
        for (axis, (_, size)) in self.axes.iter_mut().zip(coordinates(&bbox)) {
            axis.state = transition * axis.state;
            let noise = shape * (ACCELERATION * size).powi(2);
            axis.covariance = transition * axis.covariance * transition.transpose() + noise;
        }
    }

    /// Corrects by a detected box.
    pub(super) fn update(&mut self, bbox: &BoundingBox) {
        for (axis, (position, size)) in self.axes.iter_mut().zip(coordinates(bbox)) {
            let innovation = position - axis.state.x;
            let variance = axis.covariance.m11 + (MEASUREMENT * size).powi(2);
            let gain = axis.covariance.column(0) / variance;
            axis.state += gain * innovation;
            // Joseph's form: stays symmetric and positive however many frames come.
            let kept = Matrix2::new(1.0 - gain.x, 0.0, -gain.y, 1.0);
            let noise = gain * gain.transpose() * (MEASUREMENT * size).powi(2);
            axis.covariance = kept * axis.covariance * kept.transpose() + noise;
        }
    }

    /// The box as it is now.
    pub(super) fn bbox(&self) -> BoundingBox {
        let [x, y, width, height] = self.axes.map(|axis| axis.state.x as f32);
        BoundingBox::from_centre(x, y, width.max(0.0), height.max(0.0))
    }

    /// Velocity of the centre, pixels per second.
    #[cfg(test)]
    pub(super) fn velocity(&self) -> [f64; 2] {
        let [x, y, ..] = self.axes.map(|axis| axis.state.y);
        [x, y]
    }

    #[cfg(test)]
    pub(super) fn is_sound(&self) -> bool {
        let sound = |axis: &Axis| {
            let c = &axis.covariance;
            c.iter().all(|v| v.is_finite())
                && c.m11 > 0.0
                && c.m22 > 0.0
                && c.determinant() > -1e-6 * c.m11 * c.m22
        };
        self.axes.iter().all(sound)
    }
}
