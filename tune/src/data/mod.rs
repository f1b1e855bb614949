//! Images as training wants them: opened, augmented, turned into the network's input.
//!
//! [`Samples::open`] opens the sources that [`DataOptions`] name; [`Samples::make`] makes one training sample from its
//! number. A sample is made in these steps, each with random numbers of its own:
//!
//! 1. the image of this number is decoded, objects of rare classes are pasted into it ([`Pasting`]);
//! 2. light and colours change ([`Photometric`]);
//! 3. a copy is corrupted ([`Corruptions`]) at the size at which the camera gave it: the student's;
//! 4. both are put into a mosaic, cut and flipped ([`Geometric`]) in the same way;
//! 5. both go through the detector's own preprocessing, labels along with them.

mod corruption;
mod dice;
mod error;
mod geometry;
mod mosaic;
mod options;
mod order;
mod paste;
mod photometric;
mod raster;
mod samples;
mod source;

pub use corruption::{Corruptions, Family};
pub use error::DataError;
pub(crate) use error::{check, check_probability, check_range};
pub use geometry::Geometric;
pub use options::{DataOptions, Half, SourceOptions};
pub use order::Sampling;
pub use paste::{Donor, Pasting};
pub use photometric::Photometric;
pub use samples::{Maker, Prepared, Samples};
pub use source::Object;

#[cfg(test)]
pub(crate) mod testing;
