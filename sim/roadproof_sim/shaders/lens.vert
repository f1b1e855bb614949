#version 150
// A card over the whole picture.
in vec4 p3d_Vertex;
out vec2 place;

void main() {
    place = p3d_Vertex.xz;
    gl_Position = vec4(place, 0.0, 1.0);
}
