// The closed forms of the mapping against a simulation that walks through every slot of a tile.
#include "network/tile_mapping.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <set>

namespace attojoule::network {
namespace {

using photonics::Dataflow;
using photonics::Tile;

MatrixProduct make_product(std::int64_t channels, std::int64_t positions, std::int64_t depth,
                           std::int64_t groups, std::int64_t stack) {
  MatrixProduct product;
  product.channels = channels * groups;
  product.positions = positions * stack;
  product.dot_length = depth;
  product.groups = groups;
  product.stack = stack;
  return product;
}

// Counts events one by one: which transmitter sends in which slot, which receiver is read when.
ProductMapping simulate(const Tile& tile, const MatrixProduct& product, std::int64_t limit,
                        std::int64_t repetitions) {
  ProductMapping count;
  const std::int64_t m = product.channels / product.groups;
  const std::int64_t n = product.positions / product.stack;
  const std::int64_t d = product.dot_length;
  const std::int64_t fan_out = tile.fan_out > 0 ? tile.fan_out : std::int64_t{1} << 40;
  double busy = 0;
  for (std::int64_t matrix = 0; matrix < product.groups * product.stack; ++matrix) {
    for (std::int64_t repeat = 0; repeat < repetitions; ++repeat) {
      const bool output_stationary = tile.dataflow == Dataflow::output_stationary;
      const std::int64_t second = output_stationary ? n : d;  // axis along the tile's columns
      const std::int64_t stream = output_stationary ? d : n;  // axis along time
      for (std::int64_t r0 = 0; r0 < m; r0 += tile.rows) {
        for (std::int64_t c0 = 0; c0 < second; c0 += tile.columns) {
          ++count.passes;
          const std::int64_t r1 = std::min(r0 + tile.rows, m);
          const std::int64_t c1 = std::min(c0 + tile.columns, second);
          if (!output_stationary && repeat == 0) count.programmed_weights += (r1 - r0) * (c1 - c0);
          std::int64_t since_read = 0;
          for (std::int64_t t = 0; t < stream; t += tile.wavelengths) {
            ++count.slots;
            for (std::int64_t k = t; k < std::min(t + tile.wavelengths, stream); ++k) {
              std::set<std::pair<std::int64_t, std::int64_t>> input_senders, weight_senders;
              for (std::int64_t r = r0; r < r1; ++r) {
                for (std::int64_t c = c0; c < c1; ++c) {
                  ++busy;
                  input_senders.insert({c, (r - r0) / fan_out});
                  if (output_stationary) weight_senders.insert({r, (c - c0) / fan_out});
                }
              }
              count.input_symbols += static_cast<std::int64_t>(input_senders.size());
              count.weight_symbols += static_cast<std::int64_t>(weight_senders.size());
              if (output_stationary) {
                ++since_read;
                if (since_read == limit || k + 1 == stream) {
                  since_read = 0;
                  count.reads += (r1 - r0) * (c1 - c0);
                }
              } else {
                count.reads += r1 - r0;
              }
            }
          }
        }
      }
    }
  }
  // Every read beyond the first of an output is added digitally.
  count.partial_sums = count.reads - product.outputs();
  count.macs = product.macs();
  count.utilisation =
      busy / (static_cast<double>(count.slots) * static_cast<double>(tile.rows) *
              static_cast<double>(tile.columns) * static_cast<double>(tile.wavelengths));
  return count;
}

TEST(TileMapping, CountsEqualAWalkThroughEverySlot) {
  const bool holds = rc::check("closed forms equal the simulation", [] {
    const auto size = [](int highest) { return *rc::gen::inRange<std::int64_t>(1, highest + 1); };
    Tile tile;
    tile.dataflow = *rc::gen::element(Dataflow::output_stationary, Dataflow::weight_stationary);
    tile.rows = size(5);
    tile.columns = size(5);
    tile.wavelengths = size(3);
    tile.fan_out = *rc::gen::inRange<std::int64_t>(0, 4);
    const MatrixProduct product = make_product(size(11), size(11), size(13), size(2), size(2));
    const std::int64_t repetitions = size(3);
    const std::int64_t limit = size(14);
    const std::int64_t chunks = (product.dot_length + limit - 1) / limit;
    const ProductMapping mapped = map_product(tile, product, chunks, repetitions);
    const ProductMapping counted = simulate(tile, product, limit, repetitions);
    RC_ASSERT(mapped.macs == counted.macs);
    RC_ASSERT(mapped.passes == counted.passes);
    RC_ASSERT(mapped.slots == counted.slots);
    RC_ASSERT(mapped.input_symbols == counted.input_symbols);
    RC_ASSERT(mapped.weight_symbols == counted.weight_symbols);
    RC_ASSERT(mapped.programmed_weights == counted.programmed_weights);
    RC_ASSERT(mapped.reads == counted.reads);
    RC_ASSERT(mapped.partial_sums == counted.partial_sums);
    RC_ASSERT(std::abs(mapped.utilisation - counted.utilisation) < 1e-12);
  });
  EXPECT_TRUE(holds);
}

TEST(TileMapping, FullTileWorksAtItsCapacity) {
  Tile tile;
  tile.rows = 4;
  tile.columns = 8;
  tile.symbol_rate_hz = 2e9;
  tile.read_time_s = 3e-9;
  const ProductMapping mapped = map_product(tile, make_product(8, 16, 100, 1, 1), 1, 1);
  EXPECT_EQ(mapped.passes, 4);
  EXPECT_EQ(mapped.slots, 400);
  EXPECT_DOUBLE_EQ(mapped.utilisation, 1.0);
  EXPECT_DOUBLE_EQ(mapped.latency_s, 400 / 2e9 + 4 * 3e-9);
}

// Channels that differ: every repetition of a block is a pass of its own over the rows that still
// need one, counted slot by slot.
ProductWork simulate_channels(const Tile& tile, const MatrixProduct& product,
                              const std::vector<std::pair<int, int>>& runs) {
  ProductWork count;
  const std::int64_t m = product.channels / product.groups;
  const std::int64_t n = product.positions / product.stack;
  const std::int64_t d = product.dot_length;
  const std::int64_t fan_out = tile.fan_out > 0 ? tile.fan_out : std::int64_t{1} << 40;
  const bool held = tile.dataflow == Dataflow::weight_stationary;
  count.macs = static_cast<double>(product.macs());
  double serial_reads = 0;
  const std::int64_t second = held ? d : n;
  const std::int64_t stream = held ? n : d;
  for (std::int64_t group = 0; group < product.groups; ++group) {
    for (std::int64_t stack = 0; stack < product.stack; ++stack) {
      for (std::int64_t r0 = 0; r0 < m; r0 += tile.rows) {
        for (std::int64_t c0 = 0; c0 < second; c0 += tile.columns) {
          const std::int64_t r1 = std::min(r0 + tile.rows, m);
          const std::int64_t c1 = std::min(c0 + tile.columns, second);
          for (int repeat = 0;; ++repeat) {
            // Rows that need this repetition move together: the first `active` of the block.
            std::int64_t active = 0;
            int chunks = 0;
            for (std::int64_t r = r0; r < r1; ++r) {
              const auto [own_chunks, own_repeats] = runs[static_cast<std::size_t>(group * m + r)];
              if (held && repeat == 0) count.programmed_weights += static_cast<double>(c1 - c0);
              if (held && repeat == 0) count.weight_values += static_cast<double>(c1 - c0);
              if (own_repeats <= repeat) continue;
              ++active;
              chunks = std::max(chunks, own_chunks);
              const auto columns = static_cast<double>(held ? n : c1 - c0);
              count.reads += columns * (held ? 1 : own_chunks);
              count.multiplications += static_cast<double>((c1 - c0) * stream);
              if (held) continue;
              for (std::int64_t f = c0; f < c1; f += fan_out) {
                count.weight_symbols += static_cast<double>(stream);
              }
              count.weight_values += static_cast<double>(stream);
            }
            if (active == 0) break;
            ++count.passes;
            serial_reads += held ? 1 : chunks;
            for (std::int64_t t = 0; t < stream; t += tile.wavelengths) ++count.slots;
            for (std::int64_t f = 0; f < active; f += fan_out) {
              count.input_symbols += static_cast<double>((c1 - c0) * stream);
            }
            count.input_values += static_cast<double>((c1 - c0) * stream);
          }
        }
      }
    }
  }
  count.partial_sums = count.reads - static_cast<double>(product.outputs());
  count.latency_s = count.slots / tile.symbol_rate_hz + serial_reads * tile.read_time_s;
  return count;
}

void expect_same(const ProductWork& got, const ProductWork& wanted) {
  EXPECT_EQ(got.macs, wanted.macs);
  EXPECT_EQ(got.passes, wanted.passes);
  EXPECT_EQ(got.slots, wanted.slots);
  EXPECT_EQ(got.input_symbols, wanted.input_symbols);
  EXPECT_EQ(got.weight_symbols, wanted.weight_symbols);
  EXPECT_EQ(got.programmed_weights, wanted.programmed_weights);
  EXPECT_EQ(got.reads, wanted.reads);
  EXPECT_EQ(got.partial_sums, wanted.partial_sums);
  EXPECT_EQ(got.multiplications, wanted.multiplications);
  EXPECT_EQ(got.input_values, wanted.input_values);
  EXPECT_EQ(got.weight_values, wanted.weight_values);
  EXPECT_NEAR(got.latency_s, wanted.latency_s, 1e-12 * wanted.latency_s);
}

TEST(ProductWork, ChannelsOfTheirOwnEqualAWalk) {
  const bool holds = rc::check("counts of every channel's own run equal the simulation", [] {
    const auto size = [](int highest) { return *rc::gen::inRange<std::int64_t>(1, highest + 1); };
    Tile tile;
    tile.dataflow = *rc::gen::element(Dataflow::output_stationary, Dataflow::weight_stationary);
    tile.rows = size(5);
    tile.columns = size(5);
    tile.wavelengths = size(3);
    tile.read_time_s = 3e-9;
    tile.fan_out = *rc::gen::inRange<std::int64_t>(0, 4);
    const MatrixProduct product = make_product(size(11), size(7), size(9), size(3), size(2));
    std::vector<std::pair<int, int>> runs;
    std::vector<ChannelRun> own;
    for (std::int64_t c = 0; c < product.channels; ++c) {
      runs.emplace_back(static_cast<int>(size(3)), static_cast<int>(size(4)));
      own.push_back(
          {static_cast<double>(runs.back().first), static_cast<double>(runs.back().second)});
    }
    expect_same(work_of(tile, product, own), simulate_channels(tile, product, runs));
    RC_ASSERT(!::testing::Test::HasFailure());
  });
  EXPECT_TRUE(holds);
}

TEST(ProductWork, OneRunForAllIsTheMapping) {
  Tile tile;
  tile.rows = 5;
  tile.columns = 3;
  tile.read_time_s = 1e-9;
  const MatrixProduct product = make_product(12, 10, 17, 2, 3);
  for (const auto dataflow : {Dataflow::output_stationary, Dataflow::weight_stationary}) {
    tile.dataflow = dataflow;
    const ProductMapping mapped = map_product(tile, product, 2, 3);
    const std::vector<ChannelRun> one{{2, 3}};
    const std::vector<ChannelRun> each(static_cast<std::size_t>(product.channels), {2, 3});
    const ProductWork work = work_of(tile, product, one);
    expect_same(work_of(tile, product, each), work);
    EXPECT_EQ(work.passes, static_cast<double>(mapped.passes));
    EXPECT_EQ(work.slots, static_cast<double>(mapped.slots));
    EXPECT_EQ(work.input_symbols, static_cast<double>(mapped.input_symbols));
    EXPECT_EQ(work.weight_symbols, static_cast<double>(mapped.weight_symbols));
    EXPECT_EQ(work.programmed_weights, static_cast<double>(mapped.programmed_weights));
    EXPECT_EQ(work.reads, static_cast<double>(mapped.reads));
    EXPECT_EQ(work.partial_sums, static_cast<double>(mapped.partial_sums));
    EXPECT_NEAR(work.latency_s, mapped.latency_s, 1e-12 * mapped.latency_s);
  }
}

TEST(TileMapping, TotalsAddUp) {
  Tile tile;
  const ProductMapping a = map_product(tile, make_product(64, 64, 10, 1, 1), 1, 1);
  const ProductMapping b = map_product(tile, make_product(1, 64, 30, 1, 1), 1, 1);
  const ProductMapping sum = total_mapping({a, b});
  EXPECT_EQ(sum.reads, a.reads + b.reads);
  EXPECT_DOUBLE_EQ(sum.latency_s, a.latency_s + b.latency_s);
  EXPECT_DOUBLE_EQ(sum.utilisation, (10 * 1.0 + 30 * 1.0 / 64) / 40);
}

}  // namespace
}  // namespace attojoule::network
