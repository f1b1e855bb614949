#version 150
// Lambert's and Blinn's reflection of sun and sky, headlights, and Koschmieder's fog; linear light, sRGB at the end.
uniform sampler2D p3d_Texture0;
uniform struct { vec4 baseColor; } p3d_Material;
uniform vec4 p3d_ColorScale;
uniform vec3 eye;
uniform vec3 heading;       // unit vector of the ego's headlights
uniform vec3 lamp;          // where they are
uniform vec3 to_sun;
uniform vec3 sun;
uniform vec3 ambient;
uniform vec3 sky;
uniform vec3 horizon;
uniform float extinction;   // 1/m
uniform float wetness;
uniform float headlights;
uniform float gloss;        // share of mirrored sky, of this surface
uniform float glow;         // of this surface, lit or not
in vec3 world;
in vec3 normal;
in vec2 uv;
in vec4 tint;
out vec4 colour;

void main() {
    vec4 texel = texture(p3d_Texture0, uv);
    vec4 base = vec4(pow(texel.rgb, vec3(2.2)), texel.a) * p3d_Material.baseColor * tint * p3d_ColorScale;
    vec3 view = eye - world;
    float range = length(view);
    view /= range;
    // Thin parts are seen from both sides.
    vec3 n = normalize(normal);
    if (dot(n, view) < 0.0) n = -n;

    vec3 light = ambient * (0.65 + 0.35 * n.z) + sun * max(dot(n, to_sun), 0.0);
    vec3 beam = world - lamp;
    float reach = length(beam);
    beam /= reach;
    float cone = smoothstep(0.80, 0.97, dot(beam, heading)) * smoothstep(0.10, -0.02, beam.z);
    light += vec3(1.0, 0.95, 0.85) * headlights * cone * max(dot(n, -beam), 0.06) * 60.0 / (25.0 + reach * reach * 0.35);
    vec3 lit = base.rgb * light;

    float grazing = pow(1.0 - max(dot(n, view), 0.0), 4.0);
    float flat_wet = wetness * smoothstep(0.8, 1.0, n.z);
    float mirror = clamp(gloss * (0.06 + 0.6 * grazing) + flat_wet * (0.05 + 0.8 * grazing), 0.0, 0.9);
    vec3 bounced = reflect(-view, n);
    vec3 mirrored = mix(horizon, sky, clamp(bounced.z, 0.0, 1.0));
    float highlight = pow(max(dot(bounced, to_sun), 0.0), 60.0) * (gloss + flat_wet);
    lit = mix(lit, mirrored, mirror) + sun * highlight;
    lit += base.rgb * glow;

    float through = exp(-extinction * range);
    lit = mix(horizon, lit, through);
    colour = vec4(pow(clamp(lit, 0.0, 1.0), vec3(1.0 / 2.2)), base.a);
}
