// Part of a sample tree: check_layers.py must report exactly the lines with a "wrong" mark.
#pragma once
#include <cmath>
#include <fstream>          // wrong: subject
#include "data/config.hpp"  // wrong: layer cycle
#include "photonics/laser.hpp"
