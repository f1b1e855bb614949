#version 150
// The number of the object that a pixel shows, in three bytes.
uniform vec3 identity;
out vec4 colour;

void main() {
    colour = vec4(identity, 1.0);
}
