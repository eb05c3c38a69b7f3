// Adds to the choices of a dashboard, which work without: a picked time fills its field, and the reader's own
// time zone is one click away.
'use strict';

(() => {
  for (const picker of document.querySelectorAll('input[data-fills]')) {
    picker.addEventListener('change', () => {
      if (picker.value) document.getElementById(picker.dataset.fills).value = picker.value;
    });
    // The field has the picked time, so the URL need not have it twice: a zoom in the chart replaces one only.
    picker.form.addEventListener('formdata', (event) => event.formData.delete(picker.name));
  }
  for (const field of document.querySelectorAll('input[list="spoken-times"]')) {
    // The last input counts: the server prefers a picked time.
    field.addEventListener('input', () => { document.getElementById(`${field.id}_at`).value = ''; });
  }

  const zone = document.getElementById('tz');
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && own && own !== zone.value) {
    const button = document.createElement('button');
    button.type = 'submit';
    button.className = 'second small';
    button.textContent = `Use ${own}, the time zone of this device`;
    button.addEventListener('click', () => { zone.value = own; });
    zone.form.append(button);
  }
})();
