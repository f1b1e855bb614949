//! Every corruption at severity 3 on 1280 × 720, on one thread; weather also where its layers are kept.

use criterion::{Criterion, criterion_group, criterion_main};
use roadproof::corruption::{
    Corruption, Corruptor, CorruptorOptions, FrameKey, Group, Picture, Severity, Step, WeatherMode,
};

fn picture() -> Picture {
    let (width, height) = (1280_u32, 720_u32);
    let value = |i: u32| {
        let (x, y) = (i % width, i / width);
        let texture = (x.wrapping_mul(7919) ^ y.wrapping_mul(104_729)) % 29;
        [(x / 6) as u8 + texture as u8 % 20, (y / 4) as u8, 60 + texture as u8]
    };
    Picture::from_rgb(width, height, (0..width * height).flat_map(value).collect()).unwrap_or_default()
}

fn corruptions(criterion: &mut Criterion) {
    let Ok(severity) = Severity::new(3.0) else { return };
    let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(1).build() else { return };
    let clean = picture();
    for corruption in Corruption::ALL {
        let modes: &[WeatherMode] = if corruption.group() == Group::Weather {
            &[WeatherMode::Independent, WeatherMode::Coherent]
        } else {
            &[WeatherMode::Independent]
        };
        for weather_mode in modes {
            let options = CorruptorOptions { weather_mode: *weather_mode, ..CorruptorOptions::default() };
            let mut corruptor = Corruptor::new(options);
            let mut frame = clean.clone();
            let mut index = 0;
            let name = format!("corruption/{corruption}/{weather_mode:?}").to_lowercase();
            criterion.bench_function(&name, |bencher| {
                bencher.iter(|| {
                    frame.clone_from(&clean);
                    index += 1;
                    let key = FrameKey { camera: 0, index, stamp_ns: (index as i64) * 33_333_333 };
                    let step = Step { corruption: *corruption, severity };
                    pool.install(|| corruptor.corrupt(&mut frame, &[step], key).is_ok())
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(1));
    targets = corruptions
}
criterion_main!(benches);
