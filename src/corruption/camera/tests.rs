use proptest::prelude::*;

use super::*;
use crate::corruption::context::tests::context;
use crate::corruption::engine::Kernel;
use crate::corruption::{Corruption, Severity};

const KINDS: [Corruption; 8] = [
    Corruption::LowLight,
    Corruption::Overexposure,
    Corruption::SunGlare,
    Corruption::LensDirt,
    Corruption::WaterDrops,
    Corruption::DeadPixels,
    Corruption::Banding,
    Corruption::NightMotion,
];

fn kernel(kind: Corruption) -> Box<dyn Kernel> {
    match kind {
        Corruption::LowLight => Box::new(low_light()),
        Corruption::Overexposure => Box::new(overexposure()),
        Corruption::SunGlare => Box::new(sun_glare()),
        Corruption::LensDirt => Box::new(lens_dirt()),
        Corruption::WaterDrops => Box::new(water_drops()),
        Corruption::DeadPixels => Box::new(dead_pixels()),
        Corruption::Banding => Box::new(banding()),
        _ => Box::new(night_motion()),
    }
}

fn picture(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Picture {
    let data = (0..width * height).flat_map(|i| pixel(i % width, i / width)).collect();
    Picture::from_rgb(width, height, data).unwrap()
}

/// A street of sorts: a sky that fades, houses, a grey road, lamps.
fn street(width: u32, height: u32) -> Picture {
    picture(width, height, |x, y| {
        let (u, v) = (x * 320 / width, y * 180 / height);
        let house = (u / 40).wrapping_mul(0x9e37_79b9) >> 25;
        match v {
            _ if v == 95 && u % 50 < 4 => [255, 250, 240],
            _ if v < 60 => [150 + v as u8, 180 + v as u8, 235],
            _ if v < 110 => [40 + house as u8, 60 + (house / 2) as u8, 50 + (u % 7 * 6) as u8],
            _ => [70 + (v % 13) as u8, 72, 74 + (u % 5) as u8],
        }
    })
}

fn apply_with(
    kernel: &mut dyn Kernel,
    kind: Corruption,
    severity: f64,
    index: u64,
    clean: &Picture,
) -> Picture {
    let mut picture = clean.clone();
    let severity = Severity::new(severity).unwrap();
    let _ = kernel.apply(&mut picture, severity, &context(kind, 7, index)).unwrap();
    picture
}

fn apply(kind: Corruption, severity: f64, clean: &Picture) -> Picture {
    apply_with(kernel(kind).as_mut(), kind, severity, 0, clean)
}

/// Mean absolute change, grey levels.
fn change(a: &Picture, b: &Picture) -> f64 {
    let sum: u64 = a.data().iter().zip(b.data()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.data().len() as f64
}

#[test]
fn the_effect_grows_with_severity_from_almost_nothing() {
    let clean = street(320, 180);
    for kind in KINDS {
        let mut kernel = kernel(kind);
        let mut last = change(&clean, &apply_with(kernel.as_mut(), kind, 0.01, 0, &clean));
        assert!(last < 0.7, "{kind}: {last}");
        for quarter in 1..=20 {
            let severity = f64::from(quarter) / 4.0;
            let now = change(&clean, &apply_with(kernel.as_mut(), kind, severity, 0, &clean));
            assert!(now >= last - 0.02, "{kind} at {severity}: {now} after {last}");
            last = now;
        }
        assert!(last > 1.0, "{kind}: {last}");
    }
}

#[test]
fn the_bytes_do_not_depend_on_threads_or_on_what_was_before() {
    let clean = street(200, 120);
    for kind in KINDS {
        let run = |threads: usize, warm: bool| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut kernel = kernel(kind);
            if warm {
                let _ = apply_with(kernel.as_mut(), kind, 4.1, 0, &street(97, 64));
                let _ = apply_with(kernel.as_mut(), kind, 1.2, 1, &clean);
            }
            pool.install(|| apply_with(kernel.as_mut(), kind, 2.3, 5, &clean))
        };
        let reference = run(1, false);
        assert!(reference == run(2, false) && reference == run(5, true), "{kind}");
    }
}

#[test]
fn what_is_on_lens_and_sensor_stays_and_depends_on_the_seed() {
    let clean = street(320, 180);
    for kind in [Corruption::SunGlare, Corruption::LensDirt, Corruption::WaterDrops, Corruption::DeadPixels] {
        let mut kernel = kernel(kind);
        let first = apply_with(kernel.as_mut(), kind, 3.0, 0, &clean);
        assert!(first == apply_with(kernel.as_mut(), kind, 3.0, 9, &clean), "{kind}");
        let mut other = clean.clone();
        let _ = kernel.apply(&mut other, Severity::new(3.0).unwrap(), &context(kind, 8, 0)).unwrap();
        assert!(first != other, "{kind}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_size_and_severity_is_fine(
        width in 32_u32..90, height in 32_u32..90, severity in 0.001..5.0_f64, tall in 1_u32..9, which in 0_usize..8,
    ) {
        let clean = street(width, height * tall);
        let once = apply(KINDS[which], severity, &clean);
        prop_assert_eq!((once.width(), once.height()), (width, height * tall));
    }
}

/// Mean and standard deviation of one channel, of the pixels that `of` picks.
fn moments(picture: &Picture, channel: usize, of: impl Fn(usize, usize) -> bool) -> (f64, f64) {
    let width = picture.width() as usize;
    let pixels = picture.data().chunks_exact(3).enumerate();
    let values: Vec<f64> =
        pixels.filter(|(i, _)| of(i % width, i / width)).map(|(_, p)| f64::from(p[channel])).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
    (mean, variance.sqrt())
}

#[test]
fn low_light_has_the_noise_of_its_electrons() {
    let grey = picture(400, 400, |_, _| [188; 3]);
    // Linear light 0.5, 3 % of it: 150 electrons, √(150 + 9) of them noise (next to nothing for the full exposure and the
    // row), then 0.03^0.25 of the brightness.
    let (light, curve) = (0.03_f64, light::Curve::get());
    let kept = light.powf(0.25);
    let (mean, deviation) = moments(&apply(Corruption::LowLight, 3.0, &grey), 1, |x, y| (x + y) % 2 == 1);
    let linear = f64::from(curve.linear(188));
    let encode = |linear: f64| f64::from(curve.encode(linear as f32));
    let noise = linear * kept * (150.0_f64 + 9.0).sqrt() / 150.0;
    let expected = (encode(linear * kept + noise) - encode(linear * kept - noise)) / 2.0;
    assert!((mean - encode(linear * kept)).abs() < 1.0, "{mean}");
    assert!((deviation - expected).abs() < 0.6, "{deviation} instead of {expected}");
    // Interpolated values are less noisy, and red more noisy than green.
    let interpolated = moments(&apply(Corruption::LowLight, 3.0, &grey), 1, |x, y| (x + y) % 2 == 0).1;
    assert!((interpolated / deviation - 0.5).abs() < 0.1, "{interpolated}");
    let red = moments(&apply(Corruption::LowLight, 3.0, &grey), 0, |x, y| x % 2 == 0 && y % 2 == 0).1;
    assert!(red > 1.3 * deviation, "{red}");
}

#[test]
fn overexposure_is_a_gain_and_blooms_beside_what_clips() {
    let curve = light::Curve::get();
    let half = picture(320, 200, |x, _| if x < 160 { [250; 3] } else { [10; 3] });
    let brighter = apply(Corruption::Overexposure, 3.0, &half);
    let gained = curve.encode(curve.linear(10) * 1.8_f32.exp2());
    let at = |x: usize| brighter.data()[(100 * 320 + x) * 3];
    assert_eq!((at(80), at(319)), (255, gained));
    assert!(at(162) > gained + 40 && at(170) > gained && at(162) > at(170), "{} {}", at(162), at(170));
}

#[test]
fn the_sun_clips_and_lifts_blacks() {
    let black = picture(320, 180, |_, _| [0; 3]);
    let glare = apply(Corruption::SunGlare, 5.0, &black);
    let (least, most) = (glare.data().iter().min().unwrap(), glare.data().iter().max().unwrap());
    assert!(*least > 20 && *most == 255, "{least} {most}");
    let bright = glare.data().chunks_exact(3).position(|p| *p == [255; 3]).unwrap() / 320;
    assert!(bright < 90, "the sun is above");
}

#[test]
fn dirt_is_dark_before_the_sky_and_pale_before_the_dark() {
    let half = picture(320, 180, |_, y| if y < 90 { [230; 3] } else { [12; 3] });
    let dirty = apply(Corruption::LensDirt, 4.0, &half);
    let darker = dirty.data()[..320 * 60 * 3].iter().zip(half.data()).all(|(a, b)| a <= b);
    let paler = (95..110).any(|y| (0..320).any(|x| dirty.data()[(y * 320 + x) * 3] > 20));
    assert!(darker && paler);
}

#[test]
fn defects_of_a_weaker_severity_stay_at_a_stronger_one() {
    let grey = picture(320, 180, |_, _| [120; 3]);
    let (weak, strong) =
        (apply(Corruption::DeadPixels, 1.0, &grey), apply(Corruption::DeadPixels, 4.0, &grey));
    let changed = |p: &Picture| p.data().iter().map(|v| *v != 120).collect::<Vec<_>>();
    let kept = changed(&weak).iter().zip(changed(&strong)).filter(|(weak, strong)| **weak && *strong).count();
    let all = changed(&weak).iter().filter(|changed| **changed).count();
    assert!(all > 20 && kept as f64 > 0.9 * all as f64, "{kept} of {all}");
    // Nothing here but whole numbers and the generator: the same bytes on every machine.
    let hash = strong.data().iter().fold(0_u64, |h, v| crate::corruption::context::mix(h ^ u64::from(*v)));
    assert_eq!(hash, 16_841_457_337_755_324_332);
}

#[test]
fn bands_drift_and_columns_stay() {
    let grey = picture(320, 180, |_, _| [120; 3]);
    let mut kernel = banding();
    let row_means = |p: &Picture| -> Vec<f64> {
        p.data().chunks_exact(320 * 3).map(|r| r.iter().map(|v| f64::from(*v)).sum::<f64>() / 960.0).collect()
    };
    let (first, tenth) = (
        apply_with(&mut kernel, Corruption::Banding, 4.0, 0, &grey),
        apply_with(&mut kernel, Corruption::Banding, 4.0, 20, &grey),
    );
    let (a, b) = (row_means(&first), row_means(&tenth));
    let crossings = a.windows(2).filter(|w| (w[0] < 120.0) != (w[1] < 120.0)).count();
    assert!((5..=7).contains(&crossings), "three bands: {crossings} crossings");
    let moved: f64 = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum::<f64>() / 180.0;
    assert!(moved > 3.0, "{moved}");
    let column =
        |p: &Picture, x: usize| (0..180).map(|y| f64::from(p.data()[(y * 320 + x) * 3])).sum::<f64>() / 180.0;
    let steps = |p: &Picture| (1..320).map(|x| column(p, x) - column(p, x - 1)).collect::<Vec<_>>();
    let (a, b) = (steps(&first), steps(&tenth));
    let product: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
    let norms = a.iter().map(|v| v * v).sum::<f64>() * b.iter().map(|v| v * v).sum::<f64>();
    assert!(product / norms.sqrt() > 0.95, "the columns' pattern is the same");
}

#[test]
fn lamps_draw_trails_and_the_sky_does_not() {
    let lamp = |x: u32, y: u32| (300..306).contains(&x) && (280..286).contains(&y);
    let clean = picture(640, 360, |x, y| match (x, y) {
        _ if lamp(x, y) => [255, 240, 220],
        (_, 0..120) => [250; 3],
        _ => [60; 3],
    });
    let night = apply(Corruption::NightMotion, 4.0, &clean);
    let at = |x: usize, y: usize| night.data()[(y * 640 + x) * 3];
    let trail = (0..640).filter(|x| (255..310).any(|y| at(*x, y) > 60)).count();
    assert!((30..80).contains(&trail), "the trail is {trail} px long");
    assert!((0..640).all(|x| at(x, 20) < 110), "the sky is dark");
    assert!(at(50, 300) < 30);
}
