#pragma once
#include "photonics/receiver.hpp"  // wrong: cycle
