#version 150
// A sky from horizon to zenith, with the sun's disc and halo.
uniform vec3 sky;
uniform vec3 horizon;
uniform vec3 sun;
uniform vec3 to_sun;
uniform vec3 eye;
uniform float extinction;
in vec3 world;
in vec3 normal;
in vec2 uv;
in vec4 tint;
out vec4 colour;

void main() {
    vec3 toward = normalize(world - eye);
    vec3 seen = mix(horizon, sky, pow(clamp(toward.z, 0.0, 1.0), 0.55));
    float near = max(dot(toward, to_sun), 0.0);
    // No disc is seen through fog.
    float clear_air = exp(-extinction * 400.0);
    seen += sun * clear_air * (0.10 * pow(near, 12.0) + 6.0 * pow(near, 1500.0));
    colour = vec4(pow(clamp(seen, 0.0, 1.0), vec3(1.0 / 2.2)), 1.0);
}
