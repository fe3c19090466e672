"""Every text that a claim cites, with a link where there is one."""

from typing import NamedTuple


class Text(NamedTuple):
  """One text of the bibliography."""

  authors: str
  title: str
  year: str  # And where it appeared; empty if the text does not say.
  url: str  # Empty if the text is not on the web.


TEXTS = {
  # The five documents which the studies go through.
  "S0": Text(
    "Sikdar",
    "Neural networks and deep learning: exercises",
    "2021",
    "",
  ),
  "S1": Text(
    "Corrales, Miller, Morgenshtern",
    "Machine learning in signal processing, solutions to problem set 5",
    "",
    "",
  ),
  "S2": Text(
    "Kent",
    "Introduction to deep learning, slides of ISE 364 / 464",
    "",
    "",
  ),
  "S3": Text(
    "",
    "Chapter 1, lecture notes on a network that learns XOR",
    "",
    "",
  ),
  "S4": Text("", "Problem sheet 4", "", ""),
  # Papers and books.
  "arjovsky2016": Text(
    "Arjovsky, Shah, Bengio",
    "Unitary evolution recurrent neural networks",
    "ICML 2016",
    "https://arxiv.org/abs/1511.06464",
  ),
  "bellec2020": Text(
    "Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein, Maass",
    "A solution to the learning dilemma for recurrent networks of spiking "
    "neurons",
    "Nature Communications 11, 2020",
    "https://doi.org/10.1038/s41467-020-17236-y",
  ),
  "benzing2019": Text(
    "Benzing, Gauy, Mujika, Martinsson, Steger",
    "Optimal Kronecker-sum approximation of real time recurrent learning",
    "ICML 2019",
    "https://arxiv.org/abs/1902.03993",
  ),
  "berthet2020": Text(
    "Berthet et al.",
    "Learning with differentiable perturbed optimizers",
    "2020",
    "https://arxiv.org/abs/2002.08676",
  ),
  "cybenko1989": Text(
    "Cybenko",
    "Approximation by superpositions of a sigmoidal function",
    "1989",
    "https://doi.org/10.1007/BF02551274",
  ),
  "glorot2010": Text(
    "Glorot, Bengio",
    "Understanding the difficulty of training deep feedforward neural networks",
    "AISTATS 2010",
    "https://proceedings.mlr.press/v9/glorot10a.html",
  ),
  "guo2017": Text(
    "Guo, Pleiss, Sun, Weinberger",
    "On calibration of modern neural networks",
    "ICML 2017",
    "https://arxiv.org/abs/1706.04599",
  ),
  "hanin2018": Text(
    "Hanin",
    "Which neural net architectures give rise to exploding and vanishing "
    "gradients?",
    "2018",
    "https://arxiv.org/abs/1801.03744",
  ),
  "he2015": Text(
    "He, Zhang, Ren, Sun",
    "Delving deep into rectifiers",
    "2015",
    "https://arxiv.org/abs/1502.01852",
  ),
  "hochreiter1997": Text(
    "Hochreiter, Schmidhuber",
    "Long short-term memory",
    "Neural Computation 9(8), 1997",
    "https://doi.org/10.1162/neco.1997.9.8.1735",
  ),
  "irie2024": Text(
    "Irie, Gopalakrishnan, Schmidhuber",
    "Exploring the promise and limits of real-time recurrent learning",
    "ICLR 2024",
    "https://arxiv.org/abs/2305.19044",
  ),
  "li2023": Text(
    "Li, Harrison, Sohl-Dickstein, Smith, Metz",
    "Variance-reduced gradient estimation via noise-reuse in online evolution "
    "strategies",
    "NeurIPS 2023",
    "https://arxiv.org/abs/2304.12180",
  ),
  "lu2019": Text(
    "Lu, Shin, Su, Karniadakis",
    "Dying ReLU and initialization",
    "2019",
    "https://arxiv.org/abs/1903.06733",
  ),
  "marschall2020": Text(
    "Marschall, Cho, Savin",
    "A unified framework of online learning algorithms for training recurrent "
    "neural networks",
    "JMLR 21(135), 2020",
    "https://jmlr.org/papers/v21/19-562.html",
  ),
  "martins2016": Text(
    "Martins, Astudillo",
    "From softmax to sparsemax",
    "ICML 2016",
    "https://arxiv.org/abs/1602.02068",
  ),
  "menick2020": Text(
    "Menick, Elsen, Evci, Osindero, Simonyan, Graves",
    "A practical sparse approximation for real time recurrent learning",
    "2020",
    "https://arxiv.org/abs/2006.07232",
  ),
  "mezzadri2007": Text(
    "Mezzadri",
    "How to generate random matrices from the classical compact groups",
    "2007",
    "https://arxiv.org/abs/math-ph/0609050",
  ),
  "mujika2018": Text(
    "Mujika, Meier, Steger",
    "Approximating real-time recurrent learning with random Kronecker factors",
    "NeurIPS 2018",
    "https://arxiv.org/abs/1805.10842",
  ),
  "murray2019": Text(
    "Murray",
    "Local online learning in recurrent networks with random feedback",
    "eLife 8:e43299, 2019",
    "https://doi.org/10.7554/eLife.43299",
  ),
  "nair2025": Text(
    "Nair",
    "Softmax is 1/2-Lipschitz: a tight bound across all l_p norms",
    "2025",
    "https://arxiv.org/abs/2510.23012",
  ),
  "nielsen2015": Text(
    "Nielsen",
    "Neural networks and deep learning",
    "2015",
    "http://neuralnetworksanddeeplearning.com",
  ),
  "pascanu2013": Text(
    "Pascanu, Mikolov, Bengio",
    "On the difficulty of training recurrent neural networks",
    "ICML 2013",
    "https://arxiv.org/abs/1211.5063",
  ),
  "pennington2018": Text(
    "Pennington, Schoenholz, Ganguli",
    "The emergence of spectral universality in deep networks",
    "AISTATS 2018",
    "https://arxiv.org/abs/1802.09979",
  ),
  "poole2016": Text(
    "Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli",
    "Exponential expressivity in deep neural networks through transient chaos",
    "2016",
    "https://arxiv.org/abs/1606.05340",
  ),
  "saxe2014": Text(
    "Saxe, McClelland, Ganguli",
    "Exact solutions to the nonlinear dynamics of learning in deep linear "
    "neural networks",
    "ICLR 2014",
    "https://arxiv.org/abs/1312.6120",
  ),
  "schoenholz2017": Text(
    "Schoenholz, Gilmer, Ganguli, Sohl-Dickstein",
    "Deep information propagation",
    "ICLR 2017",
    "https://arxiv.org/abs/1611.01232",
  ),
  "sklearn": Text(
    "Pedregosa et al.",
    "Scikit-learn: machine learning in Python",
    "JMLR 12, 2011",
    "https://scikit-learn.org",
  ),
  "tallec2017": Text(
    "Tallec, Ollivier",
    "Unbiased online recurrent optimization",
    "2017",
    "https://arxiv.org/abs/1702.05043",
  ),
  "telgarsky2016": Text(
    "Telgarsky",
    "Benefits of depth in neural networks",
    "COLT 2016",
    "https://arxiv.org/abs/1602.04485",
  ),
  "vicol2021": Text(
    "Vicol, Metz, Sohl-Dickstein",
    "Unbiased gradient estimation in unrolled computation graphs with "
    "persistent evolution strategies",
    "ICML 2021",
    "https://arxiv.org/abs/2112.13835",
  ),
  "williams1989": Text(
    "Williams, Zipser",
    "A learning algorithm for continually running fully recurrent neural "
    "networks",
    "Neural Computation 1(2), 1989",
    "https://doi.org/10.1162/neco.1989.1.2.270",
  ),
  "williams1990": Text(
    "Williams, Peng",
    "An efficient gradient-based algorithm for on-line training of recurrent "
    "network trajectories",
    "Neural Computation 2(4), 1990",
    "https://doi.org/10.1162/neco.1990.2.4.490",
  ),
  "yarotsky2017": Text(
    "Yarotsky",
    "Error bounds for approximations with deep ReLU networks",
    "2017",
    "https://arxiv.org/abs/1610.01145",
  ),
  "zucchet2023": Text(
    "Zucchet, Meier, Schug, Mujika, Sacramento",
    "Online learning of long-range dependencies",
    "NeurIPS 2023",
    "https://arxiv.org/abs/2305.15947",
  ),
  "zucchet2026": Text(
    "Zucchet, Pourcel, Ernoult",
    "Forward propagation of errors",
    "2026, not peer-reviewed",
    "",
  ),
}


def text(cite: str, where: str) -> str:
  """Returns how a source is written out for a reader.

  Args:
    cite: a key of `TEXTS`; "" for what is derived here.
    where: section, table, equation; or the derivation.

  Returns:
    Authors, title, year and place, separated by commas.

  Raises:
    ValueError: if the text is not in the bibliography.
  """
  if not cite:
    return where
  if cite not in TEXTS:
    raise ValueError(f"expected a text of the bibliography, got {cite!r}")
  authors, title, year, _ = TEXTS[cite]
  return ", ".join(part for part in (authors, title, year, where) if part)


def url(cite: str) -> str:
  """Returns the link of a text; "" if it has none."""
  return TEXTS[cite].url if cite else ""
