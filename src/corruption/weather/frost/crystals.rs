//! Ice crystals, drawn with a ruler and dice.

use std::f32::consts::{PI, TAU};

use rand::Rng as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::corruption::weather::plane::Plane;

/// Distance between the points that a stroke is put together from, pixels.
const STEP_PX: f32 = 0.6;

/// Ice branches at 60°, as its lattice is hexagonal.
const BRANCH: f32 = PI / 3.0;

/// How ice grows on a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// A creased sheet.
    Sheet,
    /// Bundles of long needles.
    Needles,
    /// Rosettes of blades among fine grain.
    Rosettes,
    /// Ferns: stems with side branches.
    Ferns,
}

/// A crystal's blade: where it begins and points to, how long and thick it is, and how its two flanks shine.
#[derive(Debug, Clone, Copy)]
struct Blade {
    x: f32,
    y: f32,
    angle: f32,
    length: f32,
    width: f32,
    flanks: [f32; 2],
}

pub(super) fn draw(habit: Habit, plane: &mut Plane, rng: &mut Xoshiro256PlusPlus) {
    plane.values.fill(0.0);
    let mut pane = Pane { plane, dice: Dice(rng) };
    let area = (pane.plane.width * pane.plane.height) as f32;
    let count = |area_of_one: f32| (area / area_of_one) as usize;
    match habit {
        Habit::Sheet => (0..count(45.0)).for_each(|_| pane.crease()),
        Habit::Needles => (0..count(160.0)).for_each(|_| pane.bundle()),
        Habit::Rosettes => {
            (0..count(20.0)).for_each(|_| pane.grain());
            (0..count(260.0)).for_each(|_| pane.rosette());
            (0..count(70.0)).for_each(|_| pane.grain());
        }
        Habit::Ferns => (0..count(210.0)).for_each(|_| pane.fern()),
    }
}

struct Pane<'a> {
    plane: &'a mut Plane,
    dice: Dice<'a>,
}

impl Pane<'_> {
    fn place(&mut self) -> (f32, f32) {
        let (width, height) = (self.plane.width as f32, self.plane.height as f32);
        (self.dice.between(-20.0, width + 20.0), self.dice.between(-20.0, height + 20.0))
    }

    /// A short bent line, bright beside dark, as a fold in a film is; folds in one region run alike.
    fn crease(&mut self) {
        let (mut x, mut y) = self.place();
        let mut angle =
            0.5 + 0.9 * (x / 140.0).sin() + 0.9 * (y / 110.0 + x / 300.0).cos() + self.dice.spread(0.5);
        let shine = self.dice.spread(0.5);
        for _ in 0..self.dice.count(2, 7) {
            let length = self.dice.between(3.0, 9.0);
            let width = self.dice.between(1.2, 2.6);
            self.blade(Blade { x, y, angle, length, width, flanks: [shine, -0.7 * shine] });
            (x, y) = (x + angle.cos() * length, y + angle.sin() * length);
            angle += self.dice.spread(0.7);
        }
    }

    /// Needles beside each other, about parallel.
    fn bundle(&mut self) {
        let (x, y) = self.place();
        let angle = self.dice.between(0.0, TAU);
        let length = self.dice.between(20.0, 75.0);
        let spread = self.dice.between(4.0, 14.0);
        let light = self.dice.spread(0.6);
        for _ in 0..self.dice.count(3, 9) {
            let (along, across) = (self.dice.spread(length * 0.4), self.dice.spread(spread));
            let shine = self.dice.spread(0.35);
            let blade = Blade {
                x: x + angle.cos() * along - angle.sin() * across,
                y: y + angle.sin() * along + angle.cos() * across,
                angle: angle + self.dice.spread(0.14),
                length: length * self.dice.between(0.4, 1.1),
                width: self.dice.between(2.0, 8.0),
                flanks: [light + shine + 0.25, light + shine - 0.25],
            };
            self.blade(blade);
        }
    }

    /// A short blade.
    fn grain(&mut self) {
        let (x, y) = self.place();
        let (angle, shine) = (self.dice.between(0.0, TAU), self.dice.spread(0.8));
        let (length, width) = (self.dice.between(1.5, 6.0), self.dice.between(0.8, 2.2));
        self.blade(Blade { x, y, angle, length, width, flanks: [shine, -0.5 * shine] });
    }

    /// Blades from one point, broad and flat.
    fn rosette(&mut self) {
        let (x, y) = self.place();
        let (first, size) = (self.dice.between(0.0, TAU), self.dice.between(8.0, 26.0));
        let fan = self.dice.between(1.5, TAU);
        let blades = self.dice.count(4, 11);
        for blade in 0..blades {
            let light = self.dice.spread(0.7);
            let blade = Blade {
                x,
                y,
                angle: first + fan * blade as f32 / blades as f32 + self.dice.spread(0.2),
                length: size * self.dice.between(0.5, 1.2),
                width: size * self.dice.between(0.12, 0.35),
                flanks: [light + 0.5, light - 0.5],
            };
            self.blade(blade);
        }
    }

    /// Stems from one point, with branches that shorten towards the tip.
    fn fern(&mut self) {
        let (x, y) = self.place();
        let first = self.dice.between(0.0, TAU);
        let light = self.dice.between(0.25, 1.0);
        for stem in 0..self.dice.count(1, 5) {
            let angle = first + BRANCH * stem as f32 + self.dice.spread(0.15);
            let length = self.dice.between(12.0, 42.0);
            let shine = light * self.dice.between(0.7, 1.2);
            self.blade(Blade { x, y, angle, length, width: 1.8, flanks: [1.2 * shine, shine] });
            let gap = self.dice.between(2.4, 4.0);
            let reach = length * self.dice.between(0.2, 0.42);
            let mut along = gap;
            while along < length {
                let (x, y) = (x + angle.cos() * along, y + angle.sin() * along);
                let length = reach * (1.0 - along / length) + 1.5;
                for (side, flank) in [(BRANCH, 0.95), (-BRANCH, 0.6)] {
                    let flanks = [flank * shine; 2];
                    self.blade(Blade { x, y, angle: angle + side, length, width: 1.2, flanks });
                }
                along += gap;
            }
        }
    }

    /// Lays a blade over what is there: broad where it begins, pointed at the tip.
    fn blade(&mut self, blade: Blade) {
        let (sin, cos) = blade.angle.sin_cos();
        let steps = (blade.length / STEP_PX) as usize;
        for step in 0..=steps {
            let along = step as f32 * STEP_PX;
            let half = 0.5 * blade.width * (1.0 - along / blade.length.max(1.0)).max(0.0);
            let reach = (half / STEP_PX) as i32;
            for side in -reach..=reach {
                let across = side as f32 * STEP_PX;
                let shine = blade.flanks[usize::from(side < 0)];
                let (x, y) = (blade.x + cos * along - sin * across, blade.y + sin * along + cos * across);
                if x < 0.0 || y < 0.0 || x as usize >= self.plane.width {
                    continue;
                }
                if let Some(value) = self.plane.values.get_mut(y as usize * self.plane.width + x as usize) {
                    *value += 0.6 * (shine - *value);
                }
            }
        }
    }
}

struct Dice<'a>(&'a mut Xoshiro256PlusPlus);

impl Dice<'_> {
    fn between(&mut self, least: f32, most: f32) -> f32 {
        least + (most - least) * (self.0.next_u64() >> 40) as f32 / (1_u64 << 24) as f32
    }

    fn count(&mut self, least: u64, most: u64) -> u64 {
        least + self.0.next_u64() % (most - least + 1)
    }

    /// A number around 0 of about this standard deviation.
    fn spread(&mut self, deviation: f32) -> f32 {
        let sum: f32 = (0..3).map(|_| self.between(-1.0, 1.0)).sum();
        sum * deviation
    }
}
