// A click on a stretch of a timeline plays the video from there, and a line
// on every timeline follows the video.
(() => {
  const player = () => document.querySelector('#hp-overlay video');
  document.addEventListener('click', (event) => {
    const stretch = event.target.closest('[data-seek]');
    const video = player();
    if (!stretch || !video) return;
    video.currentTime = Number(stretch.dataset.seek);
    video.play().catch(() => {});
    const box = video.getBoundingClientRect();
    if (box.bottom < 80 || box.top > window.innerHeight - 80)
      video.scrollIntoView({ behavior: 'smooth', block: 'center' });
  });
  // On a phone the answer stands below the video that was dropped.
  let said = null;
  const show = () => {
    const status = document.querySelector('#hp-status');
    const notice = status && status.querySelector('.hp-notice, .hp-summary');
    const kind = notice && notice.className;
    if (said !== null && kind && kind !== said
        && status.getBoundingClientRect().top > window.innerHeight / 2)
      status.scrollIntoView({ behavior: 'smooth' });
    if (kind) said = kind;
    // What the browser cannot play, an AVI for one, is looked at all the same.
    for (const toast of document.querySelectorAll('.toast-body'))
      if (toast.textContent.includes('not playable'))
        toast.style.display = 'none';
  };
  new MutationObserver(show).observe(
    document.documentElement, { childList: true, subtree: true });
  const follow = () => {
    const video = player();
    const lines = document.querySelector('.hp-timelines');
    if (video && lines) {
      const share = video.currentTime / Number(lines.dataset.duration);
      for (const head of lines.querySelectorAll('.hp-head'))
        head.style.left = `${100 * Math.min(share, 1)}%`;
    }
    requestAnimationFrame(follow);
  };
  follow();
})();
