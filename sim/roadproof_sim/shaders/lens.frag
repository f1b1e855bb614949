#version 150
// What lies over the picture: the veil of a sun near the picture, and streaks of rain.
uniform vec3 sun_place;     // in the picture [-1, 1], and whether it is before the camera
uniform float veil;
uniform vec3 veil_colour;
uniform float rain;
uniform vec3 rain_colour;
uniform float seconds;
uniform float aspect;
in vec2 place;
out vec4 colour;

float chance(vec2 cell) {
    return fract(sin(dot(cell, vec2(127.1, 311.7))) * 43758.5453);
}

// One layer of streaks: cells that fall, some of which hold a drop.
float streaks(float columns, float rows, float speed, float share) {
    vec2 at = vec2((place.x * aspect + place.y * 0.06) * columns, place.y * rows);
    float column = floor(at.x);
    at.y += seconds * speed * (0.8 + 0.4 * chance(vec2(column, columns))) + 40.0 * chance(vec2(columns, column));
    vec2 cell = vec2(column, floor(at.y));
    vec2 inside = fract(at);
    float drop = step(chance(cell), share);
    return drop * smoothstep(0.5, 0.25, abs(inside.x - 0.5)) * smoothstep(0.0, 0.4, inside.y) * smoothstep(1.0, 0.8, inside.y);
}

void main() {
    float wet = rain * (0.42 * streaks(70.0, 3.5, 9.0, 0.20) + 0.34 * streaks(38.0, 2.2, 7.0, 0.12)
        + 0.30 * streaks(17.0, 1.4, 5.5, 0.07));
    vec2 off = (place - sun_place.xy) * vec2(aspect, 1.0);
    float near = dot(off, off);
    float glare = veil * sun_place.z * clamp(0.95 * exp(-near * 3.0) + 0.35 * exp(-near * 0.5) + 0.10, 0.0, 1.0);
    float cover = 1.0 - (1.0 - wet) * (1.0 - glare);
    vec3 mixed = (rain_colour * wet + veil_colour * glare) / max(wet + glare, 1e-4);
    colour = vec4(pow(clamp(mixed, 0.0, 1.0), vec3(1.0 / 2.2)), cover);
}
