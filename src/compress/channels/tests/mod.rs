mod net;
mod patterns;
mod random;
