use rand_xoshiro::Xoshiro256PlusPlus;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::{StreamKey, uniform};

/// Defective photosites per million, at the levels,
const PER_MILLION: [f64; 5] = [100.0, 400.0, 1200.0, 3500.0, 10_000.0];
/// and defective columns per thousand.
const COLUMNS_PER_1000: [f64; 5] = [0.0, 0.0, 1.0, 3.0, 8.0];

/// Share of defects that come as a cluster, and how far from its middle they lie at most, photosites.
const CLUSTERED: f64 = 0.03;
const CLUSTER_REACH: f64 = 2.0;

/// Dead pixels: photosites that read the same whatever the light, at fixed places of the sensor.
///
/// Half are hot (they read 160 to 255), a third dead (0), the rest stuck anywhere between; 3 in 100 are the middle of a cluster of up to
/// nine. The sensor has an RGGB mosaic: a defect has one colour, and bilinear demosaicing hands on half or a quarter of
/// its error to the neighbours' same channel, which gives the coloured crosses known from real sensors. Columns are stuck from
/// a random row downwards, as when one transistor of the column is broken, by half their value or more.
///
/// 100, 400, 1200, 3500, 10 000 photosites per million and 0, 0, 1, 3, 8 columns per thousand, in straight lines from 0; the last column
/// grows in length. Defects of a weaker severity are among those of a stronger one. Bound by nothing worth a measurement.
#[derive(Default)]
pub(in crate::corruption) struct DeadPixels {
    key: Option<StreamKey>,
    sites: Vec<Site>,
    columns: Vec<Column>,
}

pub(in crate::corruption) fn dead_pixels() -> DeadPixels {
    DeadPixels::default()
}

#[derive(Debug, Clone, Copy)]
struct Site {
    x: i64,
    y: i64,
    value: u8,
}

#[derive(Debug, Clone, Copy)]
struct Column {
    x: usize,
    /// Where it begins, as a share of the height.
    from: f64,
    value: u8,
    /// How much of the way to `value`, in 256ths.
    share: i32,
}

impl DeadPixels {
    fn draw(&mut self, picture: &Picture, rng: &mut Xoshiro256PlusPlus) {
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        let most = (width * height * PER_MILLION[4] / 1e6).ceil() as usize;
        self.sites.clear();
        while self.sites.len() < most {
            let x = uniform(rng, 0.0, width) as i64;
            let y = uniform(rng, 0.0, height) as i64;
            let kind = uniform(rng, 0.0, 1.0);
            let value = match kind {
                k if k < 0.5 => uniform(rng, 160.0, 256.0) as u8,
                k if k < 0.83 => 0,
                _ => uniform(rng, 0.0, 256.0) as u8,
            };
            self.sites.push(Site { x, y, value });
            if uniform(rng, 0.0, 1.0) < CLUSTERED {
                for _ in 0..uniform(rng, 1.0, 9.0) as usize {
                    let mut near = || uniform(rng, -CLUSTER_REACH, CLUSTER_REACH).round() as i64;
                    let (dx, dy) = (near(), near());
                    self.sites.push(Site { x: x + dx, y: y + dy, value });
                }
            }
        }
        let most = (width * COLUMNS_PER_1000[4] / 1e3).ceil() as usize;
        self.columns.clear();
        self.columns.extend((0..most).map(|_| Column {
            x: uniform(rng, 0.0, width) as usize,
            from: uniform(rng, -0.5, 0.7).max(0.0),
            value: if uniform(rng, 0.0, 1.0) < 0.5 { 0 } else { 255 },
            share: uniform(rng, 128.0, 257.0) as i32,
        }));
    }
}

/// Channel of the photosite at a place of the RGGB mosaic.
fn channel(x: i64, y: i64) -> usize {
    (x & 1) as usize + (y & 1) as usize
}

/// Moves one channel of a pixel towards `value` by `share` 256ths; nothing outside the picture.
fn pull(data: &mut [u8], size: [i64; 2], at: [i64; 2], channel: usize, value: u8, share: i32) {
    let ([width, height], [x, y]) = (size, at);
    if (0..width).contains(&x)
        && (0..height).contains(&y)
        && let Some(byte) = data.get_mut((y * width + x) as usize * 3 + channel)
    {
        let own = i32::from(*byte);
        *byte = (own + (i32::from(value) - own) * share / 256) as u8;
    }
}

impl Site {
    fn apply(&self, data: &mut [u8], size: [i64; 2]) {
        let channel = channel(self.x, self.y);
        let green = channel == 1;
        for dy in -1..=1 {
            for dx in -1..=1 {
                // What the neighbour's interpolation takes from here.
                let share = match (dx, dy) {
                    (0, 0) => 256,
                    (0, _) | (_, 0) if green => 64,
                    (0, _) | (_, 0) => 128,
                    _ if green => 0,
                    _ => 64,
                };
                pull(data, size, [self.x + dx, self.y + dy], channel, self.value, share);
            }
        }
    }
}

impl Column {
    fn apply(&self, y: i64, data: &mut [u8], size: [i64; 2]) {
        let x = self.x as i64;
        let mut pull =
            |dx, channel, part| pull(data, size, [x + dx, y], channel, self.value, self.share * part / 256);
        // Red or blue: this column's own in every row, read or interpolated, and half of what its neighbours show.
        let colour = if x & 1 == 0 { 0 } else { 2 };
        pull(0, colour, 256);
        pull(-1, colour, 128);
        pull(1, colour, 128);
        if channel(x, y) == 1 {
            pull(0, 1, 256);
            pull(-1, 1, 64);
            pull(1, 1, 64);
        } else {
            pull(0, 1, 128);
        }
    }
}

impl Kernel for DeadPixels {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let key = StreamKey::new(picture, context);
        if self.key != Some(key) {
            self.draw(picture, &mut context.stream_rng(0));
            self.key = Some(key);
        }
        let size = [i64::from(picture.width()), i64::from(picture.height())];
        let [width, height] = size.map(|side| side as f64);
        let sites = (severity.interpolate(0.0, PER_MILLION) * width * height / 1e6).round() as usize;
        let columns = severity.interpolate(0.0, COLUMNS_PER_1000) * width / 1e3;
        let data = picture.data_mut();
        for site in self.sites.iter().take(sites) {
            site.apply(data, size);
        }
        for (i, column) in self.columns.iter().enumerate().take(columns.ceil() as usize) {
            // The last one ends where its share of the way down is used up.
            let share = (columns - i as f64).min(1.0);
            let rows =
                (column.from * height) as i64..((column.from + (1.0 - column.from) * share) * height) as i64;
            for y in rows {
                column.apply(y, data, size);
            }
        }
        Ok(Delivery::Deliver)
    }
}
