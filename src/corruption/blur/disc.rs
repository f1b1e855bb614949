use super::fixed::weight;

/// How much of the disc's edge the small Gaussian shifts by one pixel: its weight there, for a standard deviation of `edge`.
fn spill(edge: f64) -> f64 {
    let beside = (-0.5 / (edge * edge)).exp();
    if edge > 0.0 { beside / (1.0 + 2.0 * beside) } else { 0.0 }
}

/// The disc of a defocused lens as vertical runs: in each of its columns a weighted sum of runs that are symmetric to the middle
/// row.
///
/// At a whole radius it holds the whole pixels whose distance from the centre is at most the radius; in between, pixels that only
/// the next larger disc holds count by part.
///
/// The reference makes its disc in a square of 17 × 17 pixels, or just large enough for radii above 8, and softens its edge by
/// convolving that square, mirrored at its border, with a small Gaussian. From a radius of 8 on the disc touches the border, and
/// what lies beside its outermost rows and columns is mirrored into them: the sum of the disc exceeds 1, and the picture becomes
/// brighter, by 1.3% at radius 8 and 1.1% at radius 10.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Disc {
    /// For each distance from the middle column, half the heights of its runs (0 being one pixel), and their weights.
    columns: Vec<Vec<(usize, f64)>>,
}

/// Half the height of the column at `distance` from the middle of a disc of whole radius.
fn half_height(radius: usize, distance: usize) -> Option<usize> {
    Some((radius * radius).checked_sub(distance * distance)?.isqrt())
}

impl Disc {
    /// The disc for a radius in pixels, its edge softened by a Gaussian of standard deviation `edge`.
    pub(super) fn new(radius: f64, edge: f64) -> Self {
        let inner = radius.max(0.0).floor();
        let part = radius - inner;
        let mut disc = Self { columns: vec![Vec::new(); inner as usize + 2] };
        disc.add(inner as usize, 1.0 - part, spill(edge));
        disc.add(inner as usize + 1, part, spill(edge));
        disc.columns.retain(|column| !column.is_empty());
        let pixels = (1.0 - part) * pixels(inner as usize) + part * pixels(inner as usize + 1);
        disc.columns.iter_mut().flatten().for_each(|(_, weight)| *weight /= pixels);
        disc
    }

    fn add(&mut self, radius: usize, share: f64, spill: f64) {
        let mut add = |distance: usize, half: usize, weight: f64| {
            let Some(column) = self.columns.get_mut(distance).filter(|_| weight > 0.0) else { return };
            match column.iter_mut().find(|(other, _)| *other == half) {
                Some((_, sum)) => *sum += weight,
                None => column.push((half, weight)),
            }
        };
        // What is mirrored into the outermost rows and columns: as many pixels as the ones beside them have, but for the one
        // that lies there anyway and spills outwards as much.
        let beside = if radius >= 8 { half_height(radius, radius - 1).unwrap_or(0) } else { 0 };
        for distance in 0..=radius {
            let Some(half) = half_height(radius, distance) else { continue };
            let mirrored = if distance > 0 && (distance <= beside || (distance == radius && beside > 0)) {
                share * spill
            } else {
                0.0
            };
            add(distance, half, share - mirrored);
            add(distance, if distance == radius { beside } else { half + 1 }, mirrored);
        }
    }

    /// Columns on either side of the middle one, and rows above and below.
    pub(super) fn reach(&self) -> usize {
        self.columns.len().saturating_sub(1)
    }

    /// Its sum, 1 but for the mirrored border.
    pub(super) fn sum(&self) -> f64 {
        let column = |runs: &[(usize, f64)]| -> f64 {
            runs.iter().map(|(half, weight)| (2 * half + 1) as f64 * weight).sum()
        };
        let all: f64 = self.columns.iter().map(|runs| column(runs)).sum();
        2.0 * all - self.columns.first().map_or(0.0, |runs| column(runs))
    }

    /// Columns with the same runs, for values that are `unit` times smaller than the result's.
    pub(super) fn profiles(&self, unit: f64) -> Vec<Profile> {
        let mut profiles: Vec<Profile> = Vec::new();
        for (distance, runs) in self.columns.iter().enumerate() {
            let runs: Vec<_> = runs
                .iter()
                .flat_map(|(half, share)| {
                    // A weight must be below 1.
                    let parts = (share * unit) as usize + 1;
                    std::iter::repeat_n((*half, weight(share * unit / parts as f64)), parts)
                })
                .collect();
            match profiles.iter_mut().find(|profile| profile.runs == runs) {
                Some(profile) => profile.distances.push(distance),
                None => profiles.push(Profile { runs, distances: vec![distance] }),
            }
        }
        profiles
    }
}

/// Columns of a disc that look the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Profile {
    /// Half the heights of the runs, and their weights.
    pub(super) runs: Vec<(usize, u16)>,
    /// Distances from the middle column, growing.
    pub(super) distances: Vec<usize>,
}

/// Pixels of a disc of whole radius.
fn pixels(radius: usize) -> f64 {
    let side = (1..=radius).filter_map(|distance| half_height(radius, distance)).map(|half| 2 * half + 1);
    (2 * side.sum::<usize>() + 2 * radius + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_reference() {
        // The sums of the kernels that imagecorruptions 1.1.2 makes.
        for (radius, edge, sum) in
            [(3.0, 0.1, 1.0), (6.0, 0.5, 1.0), (8.0, 0.5, 1.012_975), (10.0, 0.5, 1.010_786)]
        {
            let found = Disc::new(radius, edge).sum();
            assert!((found - sum).abs() < 1e-4, "{radius}: {found}");
        }
    }

    #[test]
    fn a_disc_grows_pixel_by_pixel() {
        assert_eq!(Disc::new(0.0, 0.1).columns, [[(0, 1.0)]]);
        let plus = Disc::new(1.0, 0.1);
        assert_eq!(plus.columns, [[(1, 0.2)], [(0, 0.2)]]);
        let between = Disc::new(0.5, 0.1);
        assert_eq!((between.reach(), between.columns.len()), (1, 2));
        assert!((between.sum() - 1.0).abs() < 1e-12);
        assert_eq!(plus.profiles(1.0).len(), 2);
    }
}
