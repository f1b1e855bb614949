use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::coarse::Coarse;
use super::light::Curve;
use super::{StreamKey, side, smoothstep, uniform};

/// Share of the picture that drops cover, at the levels.
const COVERED: [f64; 5] = [0.03, 0.07, 0.14, 0.24, 0.35];

/// Severity over which a drop grows from nothing to its size.
const GROWTH: f64 = 0.8;

/// Drops that are tried before the lens counts as full.
const MOST_TRIES: usize = 10_000;

/// Radii in shares of the shorter side.
const RADII: [f64; 2] = [0.010, 0.1];

/// Width of the scene that a drop shows, in its own widths.
const FIELD: f64 = 5.0;

/// Water drops on lens or windscreen: inside a drop *y = C((1 − α) E + α s B)*, *E* the pixel's linear light, *B* the scene as
/// the drop shows it, *s* its shading, *α* its edge, *C* the curve of sRGB.
///
/// A drop is a lens of very short focal length: it shows a wide part of the scene, turned upside down and left to right
/// and out of focus (Halimeh & Roser, "Raindrop detection on car windshields using geometric-photometric environment construction
/// and intensity-based correlation", IV 2009). At a distance of *ρ* radii from its centre it shows the scene at
/// *−5 (ρ + 0.6 ρ³) / 1.6* radii, so the scene is compressed towards the rim, where light that misses the camera leaves a dark
/// edge, darkest above; a bright spot reflects the sky.
///
/// Drops cover 3, 7, 14, 24, 35 % at the levels. They are drawn once for a stream, do not overlap, and appear one after another, each
/// growing over 0.8 levels to its size. Bound by one bilinear sample per pixel in a drop, and by averaging the scene.
#[derive(Default)]
pub(in crate::corruption) struct WaterDrops {
    key: Option<StreamKey>,
    severity: Option<Severity>,
    drops: Vec<Drop>,
    /// Pixels in drops, and where in the list each row begins.
    pixels: Vec<Refracted>,
    rows: Vec<usize>,
    scene: Coarse<3>,
}

pub(in crate::corruption) fn water_drops() -> WaterDrops {
    WaterDrops::default()
}

#[derive(Debug, Clone, Copy)]
struct Drop {
    x: f64,
    y: f64,
    radius: f64,
    /// Severity from which it grows.
    onset: f64,
    /// How much higher than wide it is, and sine and cosine of the phases of its outline's two waves.
    stretch: f64,
    phases: [(f64, f64); 2],
}

/// A pixel in a drop: where it shows the scene, how much of it, how bright, and the reflection on top.
#[derive(Debug, Clone, Copy)]
struct Refracted {
    x: u32,
    from_x: f32,
    from_y: f32,
    alpha: f32,
    shade: f32,
    reflection: f32,
}

impl WaterDrops {
    fn place(&mut self, picture: &Picture, rng: &mut Xoshiro256PlusPlus) {
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        let wanted = COVERED[4] * width * height;
        let mut covered = 0.0;
        self.drops.clear();
        for _ in 0..MOST_TRIES {
            let size = RADII[0] + (RADII[1] - RADII[0]) * uniform(rng, 0.0, 1.0).powi(4);
            let drop = Drop {
                x: uniform(rng, 0.0, width),
                y: uniform(rng, 0.0, height),
                radius: (size * side(picture)).max(1.5),
                onset: 0.0,
                stretch: uniform(rng, 1.0, 1.2),
                phases: std::array::from_fn(|_| uniform(rng, 0.0, std::f64::consts::TAU).sin_cos()),
            };
            let apart = |other: &Drop| {
                (drop.x - other.x).hypot(drop.y - other.y) > 1.1 * (drop.radius + other.radius)
            };
            if self.drops.iter().all(apart) {
                // It begins to grow where the drops so far cover what they should a little later.
                self.drops.push(Drop { onset: severity_for(covered / (width * height)), ..drop });
                covered += std::f64::consts::PI * drop.radius * drop.radius;
                if covered >= wanted {
                    break;
                }
            }
        }
    }

    fn refract(&mut self, picture: &Picture, severity: Severity) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        self.pixels.clear();
        self.rows.clear();
        let s = severity.value();
        let grown: Vec<Drop> = self
            .drops
            .iter()
            .filter(|drop| s > drop.onset)
            .map(|drop| {
                let radius = drop.radius * ((s - drop.onset) / GROWTH).min(1.0).sqrt();
                Drop { radius, ..*drop }
            })
            .collect();
        for y in 0..height {
            self.rows.push(self.pixels.len());
            let y = y as f64 + 0.5;
            for drop in grown.iter().filter(|drop| (y - drop.y).abs() < drop.reach()) {
                let first = (drop.x - drop.reach()).max(0.0) as usize;
                let last = ((drop.x + drop.reach()) as usize + 1).min(width);
                let mirrored = |pixel: Refracted| Refracted {
                    from_x: mirrored(pixel.from_x, width),
                    from_y: mirrored(pixel.from_y, height),
                    ..pixel
                };
                self.pixels.extend((first..last).filter_map(|x| drop.at(x, y)).map(mirrored));
            }
        }
        self.rows.push(self.pixels.len());
    }
}

/// The severity at which drops begin to appear beyond a share of the picture.
fn severity_for(covered: f64) -> f64 {
    let mut before = 0.0;
    for (level, until) in COVERED.into_iter().enumerate() {
        if covered <= until {
            let share = (covered - before) / (until - before);
            // All of them have grown when the highest level is reached.
            return (level as f64 + share) * (1.0 - GROWTH / 5.0);
        }
        before = until;
    }
    5.0 - GROWTH
}

impl Drop {
    fn reach(&self) -> f64 {
        1.1 * self.radius * self.stretch
    }

    fn at(&self, x: usize, y: f64) -> Option<Refracted> {
        let (dx, dy) = (x as f64 + 0.5 - self.x, (y - self.y) / self.stretch);
        let distance = (dx * dx + dy * dy).sqrt();
        if distance > 1.1 * self.radius {
            return None;
        }
        // cos(n θ + φ) for n of 2 and 3 without an angle.
        let (sin, cos) = if distance > 0.0 { (dy / distance, dx / distance) } else { (0.0, 1.0) };
        let [(sin_a, cos_a), (sin_b, cos_b)] = self.phases;
        let two = (2.0 * cos * cos - 1.0) * cos_a - 2.0 * sin * cos * sin_a;
        let three = cos * (4.0 * cos * cos - 3.0) * cos_b - sin * (3.0 - 4.0 * sin * sin) * sin_b;
        let rho = distance / (self.radius * (1.0 + 0.06 * two + 0.04 * three));
        if rho >= 1.0 {
            return None;
        }
        let alpha = 1.0 - smoothstep(0.65, 1.0, rho);
        let compressed = -FIELD * (1.0 + 0.6 * rho * rho) / 1.6;
        // Light from below reaches the upper rim last.
        let upper = (-sin).max(0.0);
        let rim = smoothstep(0.45, 1.0, rho) * (0.35 + 0.4 * upper);
        let (left, up) = (dx / self.radius + 0.3, dy / self.radius + 0.35);
        let spot = (left * left + up * up).sqrt();
        Some(Refracted {
            x: x as u32,
            from_x: (self.x + dx * compressed) as f32,
            from_y: (self.y + dy * compressed) as f32,
            alpha: alpha as f32,
            shade: (1.05 - rim) as f32,
            reflection: (0.25 * (1.0 - smoothstep(0.05, 0.25, spot))) as f32,
        })
    }
}

impl Kernel for WaterDrops {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let key = StreamKey::new(picture, context);
        if self.key != Some(key) {
            self.place(picture, &mut context.stream_rng(0));
            (self.key, self.severity) = (Some(key), None);
        }
        if self.severity != Some(severity) {
            self.refract(picture, severity);
            self.severity = Some(severity);
        }
        let curve = Curve::get();
        let cell = ((side(picture) / 180.0) as usize).max(1);
        self.scene.gather(picture, cell, |pixel| pixel.map(|value| curve.linear(value)));
        self.scene.blur(1.5);
        let (scene, pixels, rows) = (&self.scene, &self.pixels, &self.rows);
        let width = picture.width() as usize;
        picture.data_mut().par_chunks_mut(width * 3).zip(rows.par_windows(2)).for_each(|(row, range)| {
            let [first, last] = range else { return };
            let row = row.as_chunks_mut::<3>().0;
            for pixel in pixels.get(*first..*last).unwrap_or_default() {
                let Some(values) = row.get_mut(pixel.x as usize) else { continue };
                let shown = scene.sample(pixel.from_x, pixel.from_y);
                for (value, shown) in values.iter_mut().zip(shown) {
                    let own = curve.linear(*value);
                    let shown = shown * pixel.shade + pixel.reflection * (shown + 0.15);
                    *value = curve.encode(own + pixel.alpha * (shown - own));
                }
            }
        });
        Ok(Delivery::Deliver)
    }
}

/// A place within 0 … `length`, reflected at the ends: drops near the border show what the picture does not.
fn mirrored(place: f32, length: usize) -> f32 {
    let length = length as f32;
    if (0.0..=length).contains(&place) {
        return place;
    }
    let folded = place.abs() % (2.0 * length);
    if folded > length { 2.0 * length - folded } else { folded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corruption::Corruption;
    use crate::corruption::context::tests::context;

    #[test]
    fn a_drop_shows_the_other_side_of_the_scene() {
        let drop =
            Drop { x: 100.0, y: 80.0, radius: 20.0, onset: 0.0, stretch: 1.1, phases: [(0.0, 1.0); 2] };
        let right = drop.at(110, 80.5).unwrap();
        assert!((20.0..80.0).contains(&right.from_x) && (right.from_y - 80.0).abs() < 5.0, "{right:?}");
        let below = drop.at(100, 92.0).unwrap();
        assert!((0.0..60.0).contains(&below.from_y), "{below:?}");
        assert!(drop.at(130, 80.5).is_none());
        assert!(drop.at(120, 80.5).unwrap().alpha < 0.5, "the edge is soft");
    }

    #[test]
    fn drops_cover_what_the_levels_say() {
        let mut picture = Picture::from_rgb(640, 360, vec![90; 640 * 360 * 3]).unwrap();
        for seed in 0..3 {
            let mut drops = water_drops();
            for (level, expected) in (1..=5_u8).zip(COVERED) {
                let severity = Severity::new(f64::from(level)).unwrap();
                let _ =
                    drops.apply(&mut picture, severity, &context(Corruption::WaterDrops, seed, 0)).unwrap();
                let covered = drops.pixels.len() as f64 / (640.0 * 360.0);
                assert!((0.6..1.4).contains(&(covered / expected)), "{level}: {covered} for {expected}");
            }
        }
    }

    #[test]
    fn places_outside_are_reflected() {
        assert_eq!([-3.0, 5.0, 12.0, 25.0].map(|x| mirrored(x, 10)), [3.0, 5.0, 8.0, 5.0]);
    }
}
