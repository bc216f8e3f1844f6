"""Drawing from the diffusion model: noise, schedule, lattice, fusion, the loop."""
