mod net;
mod patterns;
mod random;
mod redundancy;
