// Matrix products laid over a tile: how often everything happens, and how long it takes.
//
// A product is a stack of independent matrices Y[M x N] = W[M x D] X[D x N], M output channels by N
// positions (groups of a convolution and heads of an attention product are such matrices). It is
// cut into blocks of at most rows x columns of the tile, and each block is a pass:
//
//   output-stationary  M over rows, N over columns; a pass lasts ceil(D / wavelengths) slots. Every
//                      slot each used row and column sends one symbol (and wavelength) to all its
//                      receivers; a receiver is read once per chunk of the accumulation limit.
//   weight-stationary  M over rows, D over columns, N streams; a pass lasts ceil(N / wavelengths)
//                      slots after its weights are programmed. Every slot is a read of each used
//                      row; blocks of D are partial sums.
//
// A transmitter feeds at most `fan_out` receivers: a row or column that is longer takes several.
// Test: tests/network/tile_mapping_test.cpp, against a slot-by-slot simulation of small tiles.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "network/matrix_product.hpp"
#include "photonics/device.hpp"

namespace attojoule::network {

// Per inference.
struct ProductMapping {
  std::int64_t macs = 0;
  std::int64_t passes = 0;  // of the tile
  std::int64_t slots = 0;   // symbol slots of all passes, one after the other
  std::int64_t input_symbols =
      0;  // sent by transmitters of inputs: modulations and DAC conversions
  std::int64_t weight_symbols = 0;      // likewise of weights; weight-stationary: 0
  std::int64_t programmed_weights = 0;  // weight-stationary: weights written
  std::int64_t reads = 0;               // of receivers: ADC conversions
  std::int64_t partial_sums = 0;        // digital additions of reads
  double utilisation = 0;               // MACs / what the tile could do in these slots, (0, 1]
  double latency_s = 0;                 // slots and the reads that nothing hides
};

// `chunks`: reads that one pass over a dot product takes, >= 1 (photonics::cut_into_chunks: full
// well and accumulation limit; without meaning for weight-stationary tiles, which read every slot).
// Repetitions multiply passes, symbols and reads.
ProductMapping map_product(const photonics::Tile& tile, const MatrixProduct& product,
                           std::int64_t chunks, std::int64_t repetitions);

// The same counts for channels that differ in how often they are done and read, as numbers that may
// be fractions (Garg's repeats E are). A pass lasts until the last of its rows is done; rows that
// are done earlier, and transmitters that only they need, send nothing any more.
struct ProductWork {
  double macs = 0;  // of one repetition
  double passes = 0;
  double slots = 0;
  double input_symbols = 0;
  double weight_symbols = 0;
  double programmed_weights = 0;
  double reads = 0;
  double partial_sums = 0;
  double latency_s = 0;
  double multiplications = 0;  // MACs, repetitions included: symbol slots at all receivers
  // Operands read from memory: every transmitter that sends the same one has it from there at once.
  double input_values = 0;
  double weight_values = 0;
};
struct ChannelRun {
  double chunks = 1;       // reads of one pass over a dot product; see map_product
  double repetitions = 1;  // >= 1
};
// runs: one for all channels, or one for each. Test: ProductWork.* of the same file.
ProductWork work_of(const photonics::Tile& tile, const MatrixProduct& product,
                    std::span<const ChannelRun> runs);

// Sum over products: latencies add up, utilisation is that of all slots together.
ProductMapping total_mapping(const std::vector<ProductMapping>& products);

}  // namespace attojoule::network
