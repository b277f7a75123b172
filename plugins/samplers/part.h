/* part.h: a sampler as a plugin of its own or, compiled with -DPART, as a part of auto. */
#ifndef PART_H
#define PART_H
#include <strix/plugin.h>

#ifdef PART
extern const sx_sampler *const gp_part, *const forest_part, *const tpe_part;
#define SAMPLER_PLUGIN(ID, VERSION) const sx_sampler *const ID##_part = &ID##_item
#else
#define SAMPLER_PLUGIN(ID, VERSION) SX_PLUGIN(#ID, VERSION, "MIT", SX_ITEM(ID))
#endif
#endif
